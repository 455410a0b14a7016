"""Figures in as few characters as a table on a narrow terminal has for them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from itertools import pairwise

from rich.cells import chop_cells

from headrace_wire.messages.jobs import SUCCEEDED, JobStatus

#: The characters of a bar for what is done and for the rest, which can be told apart without
#: colour.
FULL, EMPTY = "#", "."

#: The indentation of what does not fit into a line, and the narrowest terminal for which lines are
#: folded.
INDENT = "    "
LEAST_WIDTH = 20

#: The characters of a curve, from the lowest to the highest.
LEVELS = "_.:-=+*#"


def write_clock(at: float) -> str:
    """Return the local time, such as ``23:13:50``."""
    return dt.datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def fold(line: str, width: int) -> list[str]:
    """Divide a line into several that fit a terminal of this width. All but one are indented."""
    first, *rest = chop_cells(line, max(width, LEAST_WIDTH)) or [""]
    indented = chop_cells("".join(rest), max(width, LEAST_WIDTH) - len(INDENT))
    return [first, *(f"{INDENT}{part}" for part in indented if part)]


def draw_bar(done: float, of: float, width: int) -> str:
    """Return a bar such as ``[####......]``, of ``width`` characters."""
    inside = max(width - 2, 0)
    full = int(inside * min(done / of, 1.0)) if of else 0
    return f"[{FULL * full}{EMPTY * (inside - full)}]"


def draw_curve(parts: Sequence[float], width: int) -> str:
    """Return a curve of figures from 0 to 1 as one line. A character shows its highest figure."""
    if not parts:
        return ""
    width = min(width, len(parts))
    bounds = [len(parts) * place // width for place in range(width + 1)]
    highest = [max(parts[start:stop]) for start, stop in pairwise(bounds)]
    top = len(LEVELS) - 1
    return "".join(LEVELS[min(top, math.ceil(max(0.0, part) * top))] for part in highest)


def find_part_done(status: JobStatus) -> tuple[int, int]:
    """Return how many tasks are done, and of how many; 1 of 1 for a success without tasks."""
    if status.state == SUCCEEDED and not status.tasks:
        return 1, 1
    return status.done, status.tasks
