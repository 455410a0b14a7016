"""Figures in as few characters as a table on a narrow terminal has for them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from itertools import pairwise

from rich.cells import chop_cells

from headrace_wire.messages.jobs import SUCCEEDED, JobStatus

#: What fills the part of a bar that is done, and the rest: no colour is needed to tell them apart.
FULL, EMPTY = "#", "."

#: Before what did not fit into a line, and the narrowest terminal for which lines are folded.
INDENT = "    "
LEAST_WIDTH = 20

#: Characters of a curve, from nothing to all.
LEVELS = "_.:-=+*#"


def write_clock(at: float) -> str:
    """The time of the reader's own day, such as ``23:13:50``."""
    return dt.datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")


def fold(line: str, width: int) -> list[str]:
    """A line in as many as a terminal of this width needs for it; the others are indented."""
    first, *rest = chop_cells(line, max(width, LEAST_WIDTH)) or [""]
    indented = chop_cells("".join(rest), max(width, LEAST_WIDTH) - len(INDENT))
    return [first, *(f"{INDENT}{part}" for part in indented if part)]


def draw_bar(done: float, of: float, width: int) -> str:
    """A bar such as ``[####......]``, of so many characters."""
    inside = max(width - 2, 0)
    full = int(inside * min(done / of, 1.0)) if of else 0
    return f"[{FULL * full}{EMPTY * (inside - full)}]"


def draw_curve(parts: Sequence[float], width: int) -> str:
    """A curve of figures from 0 to 1 in one line: the highest of those that share a character."""
    if not parts:
        return ""
    width = min(width, len(parts))
    bounds = [len(parts) * place // width for place in range(width + 1)]
    highest = [max(parts[start:stop]) for start, stop in pairwise(bounds)]
    top = len(LEVELS) - 1
    return "".join(LEVELS[min(top, math.ceil(max(0.0, part) * top))] for part in highest)


def find_part_done(status: JobStatus) -> tuple[int, int]:
    """Tasks that are done, and of how many: a job without tasks has done all once it succeeded."""
    if status.state == SUCCEEDED and not status.tasks:
        return 1, 1
    return status.done, status.tasks
