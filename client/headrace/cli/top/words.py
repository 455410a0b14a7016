"""Figures in as few characters as a table on a narrow terminal has for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from headrace_wire.messages import SUCCEEDED, JobStatus

#: What fills the part of a bar that is done, and the rest: no colour is needed to tell them apart.
FULL, EMPTY = "#", "."

#: Characters of a curve, from nothing to all.
LEVELS = "_.:-=+*#"

#: Said where a figure is not known.
UNKNOWN = "-"


def format_speed(per_second: float | None) -> str:
    """Such as ``1,234/s``, ``2.5/s`` or ``12/min``."""
    if per_second is None:
        return UNKNOWN
    if per_second >= 9.95 or per_second <= 0:
        return f"{per_second:,.0f}/s"
    if per_second >= 1:
        return f"{per_second:.1f}/s"
    if per_second * 60 >= 1:
        return f"{per_second * 60:.0f}/min"
    return f"{per_second * 3600:.0f}/h"


def format_duration(seconds: float | None) -> str:
    """Such as ``7 s``, ``3:05`` (minutes and seconds), ``2:03:04`` or ``3 d 4 h``."""
    if seconds is None:
        return UNKNOWN
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def format_part(done: float, of: float) -> str:
    """Such as ``43 %``; 100 only where all of it is done."""
    if not of:
        return UNKNOWN
    return f"{min(100 * done / of, 99 if done < of else 100):.0f} %"


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


def count_ended(status: JobStatus) -> int:
    """Tasks that have an outcome."""
    return status.done + status.failed + status.cancelled


def find_part_done(status: JobStatus) -> tuple[int, int]:
    """Tasks that are done, and of how many: a job without tasks has done all once it succeeded."""
    if status.state == SUCCEEDED and not status.tasks:
        return 1, 1
    return status.done, status.tasks


def estimate_left(status: JobStatus, speed: float | None) -> float | None:
    """Seconds until the job ends if it goes on like this; None where nobody knows."""
    left = status.tasks - count_ended(status)
    return left / speed if speed and status.sealed and status.finished_at is None else None
