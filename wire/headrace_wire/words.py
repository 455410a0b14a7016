"""Numbers of things, sizes, durations, and names with their article, in words."""

from __future__ import annotations


def count(number: int, one: str, several: str = "") -> str:
    """Such as ``1 task`` or ``2,000 tasks``; ``several`` where it takes more than an s."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def add_article(name: str) -> str:
    """Such as ``an ellipsis`` or ``a lock``. It goes by the first letter: u is as in "use"."""
    return f"{'an' if name[:1].lower() in {'a', 'e', 'i', 'o'} else 'a'} {name}"


def format_bytes(number: float) -> str:
    """Such as ``31.2 MB``: powers of 1000, as file managers show them."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def format_seconds(seconds: float) -> str:
    """Such as ``12 s``, ``7 min`` or ``3.5 h``."""
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
