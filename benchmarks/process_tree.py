"""A process and all that it started, also what has left it since: how they are ended."""

from __future__ import annotations

import contextlib
import ctypes

import psutil

#: ``PR_SET_CHILD_SUBREAPER`` of prctl(2).
_SET_CHILD_SUBREAPER = 36

#: Seconds for killed processes to be gone.
_GONE_SECONDS = 10.0


def keep_orphans() -> None:
    """Have processes whose parent ends stay below this one, so that a daemon is found as well."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def list_children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def end_children(spared: set[int]) -> None:
    """Kill everything below this process but ``spared`` children and what is below those."""
    me = psutil.Process()
    while True:
        doomed: list[psutil.Process] = []
        for child in me.children():
            if child.pid not in spared:
                doomed.append(child)
                with contextlib.suppress(psutil.NoSuchProcess):
                    doomed += child.children(recursive=True)
        if not doomed:
            return
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _, left = psutil.wait_procs(doomed, _GONE_SECONDS)
        if left:
            raise RuntimeError(f"processes that cannot be killed: {[each.pid for each in left]}")
