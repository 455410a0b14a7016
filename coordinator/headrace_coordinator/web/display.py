"""Formats numbers, times and sizes for people, as the page shows them.

``static/format.js`` formats them in the same way in the browser, where the page is updated.
"""

from __future__ import annotations

import datetime as dt
import math

from headrace_wire.printing import clean_text

#: From this number on, numbers are too long to be read digit by digit.
_LARGE = 1e15


def amount(number: float) -> str:
    """Format a number that is usually whole; a very large number has an exponent."""
    if abs(number) >= _LARGE:
        return f"{number:.6g}"
    return f"{number:,.3f}".rstrip("0").rstrip(".")


def count(number: float) -> str:
    """Format a number such as ``1,234,567``."""
    return f"{_round(number):,}"


def clean(text: str) -> str:
    """Return a text from others in a form that is safe to show: characters that change the
    direction of text, and invalid ones, are escaped as Python would, as on a terminal.
    """
    return clean_text(text)


def things(number: float, one: str, several: str = "") -> str:
    """Format a number of things such as ``1 task`` or ``2,000 tasks``."""
    return f"{count(number)} {one if number == 1 else several or one + 's'}"


def duration(seconds: float | None) -> str:
    """Format a duration such as ``450 ms``, ``12.3 s``, ``3 min 20 s`` or ``2 h 05 min``; "" for
    None.
    """
    if seconds is None:
        return ""
    if seconds < 0.0000005:
        return "0 s"
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{_trim(seconds * 1e3)} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = _round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{count(whole // 86400)} d {whole % 86400 // 3600} h"


def size(number: float) -> str:
    """Format a size such as ``31.2 MB``, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def rate(per_second: float) -> str:
    """Format a rate such as ``3,412/s`` or ``0.42/s``; "" for none."""
    if not per_second:
        return ""
    if per_second >= 9.95:
        return f"{count(per_second)}/s"
    for unit, seconds in (("s", 1), ("min", 60)):
        if per_second * seconds >= 0.1:
            return f"{_trim(float(f'{per_second * seconds:.1f}'))}/{unit}"
    return f"{_trim(float(f'{per_second * 3600:.1f}'))}/h"


def percent(part: float, whole: float) -> str:
    """Format a percentage such as ``81 %``. It is 100 only for the whole, and 0 only for
    nothing.
    """
    if not whole:
        return "0 %"
    share = 100 * part / whole
    return "<1 %" if part > 0 and share < 1 else f"{math.floor(share)} %"


def age(at: float, now: float) -> str:
    """Format how long ago a time was, such as ``5 min ago``."""
    seconds = max(0.0, now - at)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{count(seconds // length)} {unit} ago"
    return f"{math.floor(seconds)} s ago"


def moment(at: float) -> str:
    """Format a time such as ``2026-11-28 19:31:05 UTC``; the browser shows it in its own time
    zone.
    """
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(at: float) -> str:
    """Format the same time for programs."""
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="seconds")


def tasks(start: int, stop: int) -> str:
    """Format tasks [start, stop), such as ``task 7`` or ``tasks 7 to 12``."""
    if stop - start == 1:
        return f"task {count(start)}"
    return f"tasks {count(start)} to {count(stop - 1)}"


def _round(number: float) -> int:
    """Round to the nearest whole number, halves upwards, as browsers do."""
    return number if isinstance(number, int) else math.floor(number + 0.5)


def _trim(number: float) -> str:
    """Format a number with at most three significant digits."""
    return f"{float(f'{number:.3g}'):g}"
