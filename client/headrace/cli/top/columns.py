"""Which columns of a table have room, and how wide they are."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rich.cells import cell_len, set_cell_size

#: Blanks between columns, and on terminals that are narrower than this.
GAP = 2
NARROW_GAP = 1
NARROW = 100

#: What stands in place of the rest of a cell.
CUT = "…"


class Column(Struct, frozen=True):
    """A column of at least this ``width``.

    ``rank`` 0 is always there; the others are left out where there is no room, the highest first.
    The last column takes what the others leave.
    """

    heading: str
    width: int
    is_number: bool = False
    rank: int = 0


class Place(Struct, frozen=True):
    """A column that is shown, with the width that it got and the blanks behind it."""

    heading: str
    width: int
    gap: int
    is_number: bool

    def draw(self, text: str) -> str:
        """A cell of this column."""
        return fit(text, self.width, is_number=self.is_number) + " " * self.gap


def choose_columns(columns: Sequence[Column], width: int) -> list[Place]:
    """The columns that have room, from left to right."""
    gap = NARROW_GAP if width < NARROW else GAP
    shown = list(columns)
    while _measure(shown, gap) > width and (most := max(column.rank for column in shown)):
        shown.remove(next(column for column in reversed(shown) if column.rank == most))
    *others, last = shown
    spare = max(0, width - _measure(shown, gap))
    places = [Place(one.heading, one.width, gap, one.is_number) for one in others]
    return [*places, Place(last.heading, last.width + spare, 0, last.is_number)]


def fit(text: str, width: int, *, is_number: bool = False) -> str:
    """A cell of exactly this width; of one that is too long the beginning."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, max(0, width - 1)) + CUT
    blanks = " " * (width - length)
    return blanks + text if is_number else text + blanks


def _measure(columns: Sequence[Column], gap: int) -> int:
    return sum(column.width + gap for column in columns) - gap
