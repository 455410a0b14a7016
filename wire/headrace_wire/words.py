"""Numbers of things in words."""

from __future__ import annotations


def count(number: int, one: str, several: str = "") -> str:
    """Such as ``1 task`` or ``2,000 tasks``; ``several`` where it takes more than an s."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
