"""What the sockets between the pool and its slots can do on this system.

Those of Linux and macOS carry open files beside the bytes, as descriptors. Where that cannot be
had, files travel by their paths.
"""

from __future__ import annotations

import array
import errno
import importlib
import os
import select
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from headrace_wire.polling import READABLE, make_poll
from headrace_wire.portable import PORTABLE

#: Whether open files can travel beside a message (SCM_RIGHTS).
CARRIES_FILES = hasattr(socket, "SCM_RIGHTS") and not PORTABLE

#: Open files that come with one message at most.
MOST_FILES = 8

#: The room that descriptors take which are received, and what keeps them from what a task starts.
_measure_room: Any = getattr(socket, "CMSG_SPACE", None)
_FILES_ROOM: int = _measure_room(MOST_FILES * array.array("i").itemsize) if _measure_room else 0
_FLAGS: int = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


def receive(link: socket.socket, buffer: memoryview) -> tuple[int, list[int]]:
    """Receive bytes, and the open files that come with them. Raises OSError."""
    if sys.platform == "win32" or not CARRIES_FILES:
        return link.recv_into(buffer), []
    count, extra, _, _ = link.recvmsg_into([buffer], _FILES_ROOM, _FLAGS)
    files = list(array.array("i", extra[0][2])) if extra else []
    if not _FLAGS:  # as on macOS: programs that a task starts would have them
        for file in files:
            os.set_inheritable(file, False)
    return count, files


def send_files(link: socket.socket, part: bytes | memoryview, files: Sequence[int]) -> int:
    """Send open files with the first bytes of ``part``; returns how many bytes. Raises OSError."""
    if sys.platform == "win32":
        raise OSError(errno.EOPNOTSUPP, "open files cannot travel here")
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))
    return link.sendmsg([part], [rights])


class Listener:
    """Waits until something can be received from a socket."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._poll: Any = None
        if make_poll is not None:  # not select: a task may have opened a thousand files
            self._poll = make_poll()
            self._poll.register(link, READABLE)

    def wait(self, seconds: float) -> bool:
        """Wait so long at most. Raises OSError and ValueError for a socket that is closed."""
        if self._poll is not None:
            return bool(self._poll.poll(seconds * 1000))
        return bool(select.select([self._link], [], [], seconds)[0])


_FCNTL: Any = None if sys.platform == "win32" or PORTABLE else importlib.import_module("fcntl")


def make_look(link: socket.socket) -> Callable[[], object]:
    """Make what raises OSError once the socket's descriptor is not open: a task may close it.

    It is called after each task, and so is nothing of Python's own.
    """
    if _FCNTL is not None:
        return partial(_FCNTL.fcntl, link.fileno(), _FCNTL.F_GETFD)  # cheaper than a stat
    return link.getsockname if sys.platform == "win32" else partial(os.fstat, link.fileno())
