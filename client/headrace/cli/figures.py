"""Speeds and times in few characters, in the same form in every command."""

from __future__ import annotations

import math

#: Is shown if a figure is not known.
UNKNOWN = "-"

#: From this number of seconds on, fractions are not shown.
LONG_SECONDS = 10.0


def format_part(done: float, of: float) -> str:
    """Return a share such as ``43 %`` or ``<1 %``, rounded down as on the page.

    It is only 100 if everything is done, and only 0 if nothing is.
    """
    if not of:
        return UNKNOWN
    share = min(100 * done / of, 100)
    return "<1 %" if 0 < share < 1 else f"{math.floor(share)} %"


def format_speed(per_second: float | None) -> str:
    """Return a speed such as ``1,234/s``, ``2.5/s`` or ``12/min``."""
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
    """Return a time such as ``7 s``, ``3:05`` (minutes and seconds), ``2:03:04`` or ``3 d 4 h``."""
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


def format_taken(seconds: float | None) -> str:
    """Return the time of something that is over and may have been short, such as ``0.03 s``."""
    if seconds is None or seconds >= LONG_SECONDS:
        return format_duration(seconds)
    return f"{max(seconds, 0.001):.2g} s"
