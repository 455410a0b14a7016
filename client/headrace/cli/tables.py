"""Tables on a terminal, which are as wide as it is.

    NAME   SLOTS  BUSY  SERVICES
    alpha      2     0  primes: primesieve 11.0
    beta       2     1
      calls: Python 3.11.7, allows shop, …      what finds no room in its line is beneath it

Cells are never folded within their columns, because a dozen short lines are harder to read than a
single one below. This module is only imported if there is a terminal, because it uses rich for the
width of characters.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Collection, Iterator, Sequence

from rich.cells import cell_len

from headrace.cli.printing import is_plain_terminal
from headrace_wire.printing import clean_line

#: The blanks between columns, and before what is below a line.
GAP = "  "


def draw_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Collection[str],
    beneath: Sequence[str] = (),
    width: int | None = None,
) -> str:
    """Return a table that fits into standard output's terminal.

    The first column, which says what a row is about, is never shortened, so that it can be copied.
    If the table is too wide, the columns ``beneath`` are narrowed, one after the other. Their cells
    that are too long go below their rows, like those of the last column.
    """
    width = width or shutil.get_terminal_size().columns
    cleaned = [[clean_line(cell) for cell in row] for row in rows]
    table = _Table(headings, cleaned, numbers, width)
    for heading in beneath:
        table.narrow(heading)
    lines = list(table.draw())
    if not is_plain_terminal():
        lines[0] = f"\x1b[1m{lines[0]}\x1b[0m"
    return "".join(f"{line}\n" for line in lines)


class _Table:
    def __init__(
        self,
        headings: Sequence[str],
        rows: Sequence[Sequence[str]],
        numbers: Collection[str],
        width: int,
    ) -> None:
        self._headings = headings
        self._rows = rows
        self._numbers = numbers
        self._width = width
        *self._shown, self._last = range(len(headings))
        self._widths = [
            max(map(cell_len, (heading, *(row[place] for row in rows))))
            for place, heading in enumerate(headings)
        ]

    def narrow(self, heading: str) -> None:
        """Make a column narrower, or remove it, if there is not enough room for it."""
        place = self._headings.index(heading)
        others = self._measure() - self._widths[place]
        room = self._width - others - cell_len(self._headings[self._last])
        if self._widths[place] <= room:
            return
        lengths = [cell_len(row[place]) for row in self._rows]
        fitting = [length for length in lengths if length <= room]
        if cell_len(heading) <= room and 2 * len(fitting) >= len(lengths):
            self._widths[place] = max(cell_len(heading), *fitting)
        else:
            self._widths[place] = -len(GAP)
            self._shown.remove(place)

    def draw(self) -> Iterator[str]:
        """Yield the lines, beginning with the headings."""
        yield self._draw_line(self._headings, self._headings[self._last])
        room = self._width - self._measure()
        for row in self._rows:
            last = row[self._last]
            beside = cell_len(last) <= room
            yield self._draw_line(row, last if beside else "")
            details = [
                f"{heading.lower()}: {cell}"
                for place, (heading, cell) in enumerate(zip(self._headings, row, strict=True))
                if cell and place != self._last and cell_len(cell) > self._widths[place]
            ]
            if not beside:
                details.append(last)
            yield from textwrap.wrap(
                "; ".join(details),
                self._width,
                initial_indent=GAP,
                subsequent_indent=GAP,
                break_on_hyphens=False,
            )

    def _measure(self) -> int:
        """Return the width up to the last column, in the terminal's columns."""
        return sum(self._widths[place] + len(GAP) for place in self._shown)

    def _draw_line(self, row: Sequence[str], last: str) -> str:
        cells = [
            self._pad(row[place], self._widths[place], self._headings[place])
            for place in self._shown
        ]
        return GAP.join([*cells, last]).rstrip()

    def _pad(self, cell: str, width: int, heading: str) -> str:
        if cell_len(cell) > width:
            cell = ""  # it is below the row
        blanks = " " * (width - cell_len(cell))
        return blanks + cell if heading in self._numbers else cell + blanks
