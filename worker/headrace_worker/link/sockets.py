"""What the sockets between the pool and its slots support on this system.

On Linux and macOS, open files can be passed as descriptors beside the bytes. Elsewhere, the paths
of the files are sent.
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

from headrace_wire.system.polling import READABLE, make_poll
from headrace_wire.system.portable import PORTABLE

#: Whether open files can be sent with a message (SCM_RIGHTS).
CARRIES_FILES = hasattr(socket, "SCM_RIGHTS") and not PORTABLE

#: The maximum number of open files that come with one message.
MOST_FILES = 8

#: The buffer size for received descriptors, and the flag that keeps programs that a task starts
#: from inheriting them.
_measure_room: Any = getattr(socket, "CMSG_SPACE", None)
_FILES_ROOM: int = _measure_room(MOST_FILES * array.array("i").itemsize) if _measure_room else 0
_FLAGS: int = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


def receive(link: socket.socket, buffer: memoryview) -> tuple[int, list[int]]:
    """Receive bytes, and the open files that come with them. Raises OSError."""
    if sys.platform == "win32" or not CARRIES_FILES:
        return link.recv_into(buffer), []
    count, extra, _, _ = link.recvmsg_into([buffer], _FILES_ROOM, _FLAGS)
    files = list(array.array("i", extra[0][2])) if extra else []
    # As on macOS: programs that a task starts would inherit them.
    if not _FLAGS:
        for file in files:
            os.set_inheritable(file, False)
    return count, files


def send_files(link: socket.socket, part: bytes | memoryview, files: Sequence[int]) -> int:
    """Send open files with the first bytes of ``part``. Returns the number of bytes sent. Raises
    OSError.
    """
    if sys.platform == "win32":
        raise OSError(errno.EOPNOTSUPP, "open files cannot travel here")
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))
    return link.sendmsg([part], [rights])


class Listener:
    """Waits until something can be received from a socket."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._poll: Any = None
        # select would fail if a task has opened a thousand files.
        if make_poll is not None:
            self._poll = make_poll()
            self._poll.register(link, READABLE)

    def wait(self, seconds: float) -> bool:
        """Wait at most this long. Raises OSError and ValueError if the socket is closed."""
        if self._poll is not None:
            return bool(self._poll.poll(seconds * 1000))
        return bool(select.select([self._link], [], [], seconds)[0])


_FCNTL: Any = None if sys.platform == "win32" or PORTABLE else importlib.import_module("fcntl")


def make_look(link: socket.socket) -> Callable[[], object]:
    """Return a function that raises OSError if the socket's descriptor is closed, as a task may do.

    It is called after each task, so it should not be a Python function.
    """
    if _FCNTL is not None:
        return partial(_FCNTL.fcntl, link.fileno(), _FCNTL.F_GETFD)  # cheaper than fstat
    return link.getsockname if sys.platform == "win32" else partial(os.fstat, link.fileno())
