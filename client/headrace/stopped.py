"""Finds out whether somebody has suspended a child process, as Ctrl-Z does."""

from __future__ import annotations

import os
import subprocess
import sys

from headrace_wire.system.portable import PORTABLE


def is_stopped(child: subprocess.Popen[bytes]) -> bool:
    """Return whether a child is suspended; False if it has ended."""
    if sys.platform == "linux" and not PORTABLE:
        try:
            found = os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return found is not None
    import psutil  # noqa: PLC0415 - it takes longer

    try:
        return bool(psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False
