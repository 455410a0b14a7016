"""The part of the README that is written from the results."""

from __future__ import annotations

#: Between these stands what is written; the rest of the README is left as it is.
BEGIN, END = "<!-- benchmarks -->", "<!-- end of benchmarks -->"


def insert(readme: str, text: str) -> str:
    """The README with this text between the marks. Raises ValueError without them."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"
