"""The parts of pages that are written from the results."""

from __future__ import annotations

#: The part with the tables, and the README's own with the figures on its first screen.
TABLES, CLAIMS = "benchmarks", "claims"


def insert(page: str, text: str, part: str = TABLES) -> str:
    """Return a page with this text as one of its parts. Raises ValueError for a page without it.

    A part stands between two comments; the rest of the page is left as it is.
    """
    first, last = f"<!-- {part} -->", f"<!-- end of {part} -->"
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the page has no {first} … {last}")
    return f"{before}{first}\n{text}\n{last}{after}"
