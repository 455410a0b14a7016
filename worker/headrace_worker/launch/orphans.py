"""Adopts slots whose fork server has died, if the system allows that.

    fork server ── killed ──► its slots, running or dead, become children of this process,
                              which can then ask the kernel how they ended

Otherwise they would become children of the first process of the system, and nobody here would ever
know why one of them died.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sys
from collections.abc import Container

import psutil

from headrace_wire.system.portable import PORTABLE

#: Option of Linux's prctl: orphans below this process become its children (linux/prctl.h).
PR_SET_CHILD_SUBREAPER = 36

log = logging.getLogger(__name__)


def adopt_orphans(*, on: bool = True) -> None:
    """Make orphans below this process its children, or no longer. A fork does not inherit this."""
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

    Returns its exit status, negative for a signal; None if it has not ended, or is no child of
    ours.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError, psutil.Error):
        os.kill(number, 0)  # after its end, the number may belong to another user's process
        return psutil.Process(number).wait(seconds)
    return None


def read_end(number: int) -> int | None:
    """Return the exit status of a child, negative for a signal, or None while it runs. The child is
    not reaped, so that this can be asked again.
    """
    if sys.platform != "linux":
        return None
    end = os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if end is None:
        return None
    return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status


def reap_strays(known: Container[int]) -> None:
    """Reap the children that have ended and are not ``known``, which are adopted ones."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(ChildProcessError):
        while end := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if end.si_pid in known:
                return
            os.waitpid(end.si_pid, 0)
