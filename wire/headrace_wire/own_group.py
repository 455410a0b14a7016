"""Keeping what a terminal sends to a program, such as Ctrl-C, from what the program starts."""

from __future__ import annotations

import subprocess
from typing import TypedDict

_NEW_GROUP: int | None = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", None)


class Group(TypedDict, total=False):
    """Options of ``subprocess.Popen`` that decide the group of a process."""

    start_new_session: bool
    creationflags: int


#: Options of ``subprocess.Popen`` for a process with a group of its own: on Windows, where there
#: are no sessions, Ctrl-C does not reach such a group.
OWN_GROUP: Group = (
    {"start_new_session": True} if _NEW_GROUP is None else {"creationflags": _NEW_GROUP}
)
