"""Tables on a terminal, drawn by rich; imported only where there is one."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from headrace_wire.printing import clean_line


def draw_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[str]
) -> str:
    """A table that fits into standard output's terminal: cells that are too long take more lines.

    The first column, which names what a row is about, stays whole so that it can be copied.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, heading in enumerate(headings):
        justify: JustifyMethod = "right" if heading in numbers else "left"
        table.add_column(heading, justify=justify, no_wrap=place == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean_line(cell)) for cell in row))
    console = Console(file=sys.stdout, force_terminal=True, force_jupyter=False, highlight=False)
    with console.capture() as drawn:
        console.print(table)
    return drawn.get()
