"""Which columns of a table fit, and how wide they are."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rich.cells import cell_len, set_cell_size

#: The blanks between columns, the blanks on narrow terminals, and the width below which they are
#: narrow.
GAP = 2
NARROW_GAP = 1
NARROW = 100

#: What replaces the rest of a cell.
CUT = "…"


class Column(Struct, frozen=True):
    """A column of at least this ``width``.

    A column with ``rank`` 0 is always shown. If there is not enough room, the others are left out,
    the highest rank first. The last column gets the remaining room.
    """

    heading: str
    width: int
    is_number: bool = False
    rank: int = 0


class Place(Struct, frozen=True):
    """A column that is shown, with its actual width and the blanks after it."""

    heading: str
    width: int
    gap: int
    is_number: bool

    def draw(self, text: str) -> str:
        """Return a cell of this column."""
        return fit(text, self.width, is_number=self.is_number) + " " * self.gap


def choose_columns(columns: Sequence[Column], width: int) -> list[Place]:
    """Return the columns for which there is room, from left to right."""
    gap = NARROW_GAP if width < NARROW else GAP
    shown = list(columns)
    while _measure(shown, gap) > width and (most := max(column.rank for column in shown)):
        shown.remove(next(column for column in reversed(shown) if column.rank == most))
    *others, last = shown
    spare = max(0, width - _measure(shown, gap))
    places = [Place(one.heading, one.width, gap, one.is_number) for one in others]
    return [*places, Place(last.heading, last.width + spare, 0, last.is_number)]


def fit(text: str, width: int, *, is_number: bool = False) -> str:
    """Return a cell of exactly this width. Text that is too long is cut."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, max(0, width - 1)) + CUT
    blanks = " " * (width - length)
    return blanks + text if is_number else text + blanks


def _measure(columns: Sequence[Column], gap: int) -> int:
    return sum(column.width + gap for column in columns) - gap
