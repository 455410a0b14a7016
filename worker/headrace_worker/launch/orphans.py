"""Whose children slots are when their fork server has died: this process's, where that can be.

    fork server ── killed ──► its slots, running or dead, are handed to this process,
                              which may then ask the kernel how they ended

Without it they would be the children of whatever runs first on the system, and nobody here would
ever know why one of them died.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sys
from collections.abc import Container

import psutil

from headrace_wire.portable import PORTABLE

#: Of Linux's prctl: orphans below this process become its children (linux/prctl.h).
PR_SET_CHILD_SUBREAPER = 36

log = logging.getLogger(__name__)


def adopt_orphans(*, on: bool = True) -> None:
    """Let orphans below this process become its children, or no longer. Not inherited by a fork."""
    if sys.platform != "linux" or PORTABLE:
        return  # there is no fork server whose slots could be adopted
    try:
        refused = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0)
    except (AttributeError, OSError):
        refused = -1
    if refused:
        log.debug("orphans cannot be adopted here: of some deaths the reason will not be known")


def wait_for_orphan(number: int, seconds: float | None) -> int | None:
    """Wait for the end of a process that may have become a child of this one.

    Returns how it ended, negative for a signal; None where it has not ended, or is somebody else's.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
        os.kill(number, 0)  # the number of one that is gone may be another user's process by now
        return psutil.Process(number).wait(seconds)
    return None


def read_end(number: int) -> int | None:
    """How a child ended, negative for a signal; it stays to be asked again. None while it runs."""
    if sys.platform != "linux":
        return None
    end = os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if end is None:
        return None
    return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status


def reap_strays(known: Container[int]) -> None:
    """Let go the children that have ended and that nobody here knows: adopted ones."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(ChildProcessError):
        while end := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if end.si_pid in known:
                return
            os.waitpid(end.si_pid, 0)
