"""Numbers of things, sizes, and names with their article, in words."""

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
