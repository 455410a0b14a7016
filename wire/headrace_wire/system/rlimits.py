"""The system's limits for a process (getrlimit(2)), if there are any: Windows has none."""

from __future__ import annotations

import importlib
from typing import Any

from headrace_wire.system.portable import PORTABLE


def _load() -> Any:
    if PORTABLE:
        return None
    try:
        return importlib.import_module("resource")
    except ImportError:
        return None


#: The standard library's ``resource``; None if the system has no limits.
LIMITS: Any = _load()


def lower(kind: str, most: int) -> None:
    """Lower a limit of this process for good, such as ``RLIMIT_DATA``.

    This does nothing if there is no such limit. Raises OSError and ValueError if it is refused.
    """
    number = getattr(LIMITS, kind, None)
    if number is None:
        return
    _, hard = LIMITS.getrlimit(number)
    if hard != LIMITS.RLIM_INFINITY:
        most = min(most, hard)
    LIMITS.setrlimit(number, (most, most))
