"""Wakes a thread that waits for descriptors, with an eventfd or with two sockets."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import Any

from headrace_wire.system.portable import PORTABLE

_make_eventfd: Any = None if PORTABLE else getattr(os, "eventfd", None)

#: What is added to the counter of an eventfd: 8 bytes in the machine's order (eventfd(2)).
_ONE = (1).to_bytes(8, sys.byteorder)

#: The maximum number of rings that are read at a time.
_RINGS = 4096


class Bell:
    """Readable after it was rung, until it is silenced. Methods raise OSError if it is closed."""

    def __init__(self) -> None:
        self._far, self._near = socket.socketpair()
        self._far.setblocking(False)
        self._near.setblocking(False)

    def fileno(self) -> int:
        return self._near.fileno()

    def ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it rings already
            self._far.send(b"\0")

    def silence(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._near.recv(_RINGS)


class EventBell(Bell):
    """The same with one descriptor instead of two, on Linux."""

    def __init__(self) -> None:
        self._number: int = _make_eventfd(0, _flag("EFD_CLOEXEC") | _flag("EFD_NONBLOCK"))

    def fileno(self) -> int:
        return self._number

    def ring(self) -> None:
        os.write(self._number, _ONE)

    def silence(self) -> None:
        os.read(self._number, len(_ONE))


def _flag(name: str) -> int:
    return int(getattr(os, name, 0))


def make_bell() -> Bell:
    """Make the best bell that is available here. Raises OSError."""
    return Bell() if _make_eventfd is None else EventBell()
