"""Keeps what a terminal sends to a program, such as Ctrl-C, from the processes that it starts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TypedDict

_NEW_GROUP: int | None = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", None)


class Group(TypedDict, total=False):
    """Options of ``subprocess.Popen`` that determine the group of a process."""

    start_new_session: bool
    creationflags: int


#: Options of ``subprocess.Popen`` for a process with its own group. Windows has no sessions, but
#: Ctrl-C does not reach such a group.
OWN_GROUP: Group = (
    {"start_new_session": True} if _NEW_GROUP is None else {"creationflags": _NEW_GROUP}
)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that was started with ``OWN_GROUP``, with all that it has started in its
    group. On Windows it is the process alone.
    """
    if sys.platform != "win32" and process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
