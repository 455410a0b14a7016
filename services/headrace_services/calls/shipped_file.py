"""The file that contains a shipment in a slot, and by whose path its modules are imported.

It is a file in memory, which disappears with the process. On systems without such files, it is on
disk: the files of killed processes are removed by the next one.
"""

from __future__ import annotations

import errno
import importlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from headrace_wire.system.memory_file import HAS_MEMORY_FILES, open_memory_file

#: The first number of a file in memory. Numbers are used one after the other, up to the limit of
#: open files, which is 1024 for most users, and then from the first again.
FIRST_NUMBER = 500

#: The prefix of the names of files on disk, before the number of the process.
PREFIX = "headrace-shipment-"


class ShippedFile:
    """A file that contains a shipment, in this process. Raises OSError.

    ``number`` is its file descriptor, or a number in its place.
    """

    def __init__(self, packed: bytes, number: int) -> None:
        self.number = number
        self._is_open = HAS_MEMORY_FILES
        if HAS_MEMORY_FILES:
            self.number = _open(number)
            with open(self.number, "wb", closefd=False) as file:
                file.write(packed)
            self.path = f"/proc/self/fd/{self.number}"
        else:
            _remove_left()
            made, self.path = tempfile.mkstemp(prefix=f"{PREFIX}{os.getpid()}-", suffix=".zip")
            with os.fdopen(made, "wb") as file:
                file.write(packed)

    def empty(self) -> None:
        """Remove its content: nothing can be imported from it any more."""
        if self._is_open:
            os.ftruncate(self.number, 0)
        else:
            with suppress(OSError):  # Windows refuses this while the file is read
                Path(self.path).unlink(missing_ok=True)

    def close(self) -> None:
        """Release its descriptor."""
        if self._is_open:
            os.close(self.number)


def _open(number: int) -> int:
    made = open_memory_file("headrace-shipment")
    try:
        return _duplicate(made, number)
    finally:
        os.close(made)


def _duplicate(file: int, number: int) -> int:
    """Return a duplicate of the file with this number or a higher one, or a low one if those are
    used up.
    """
    fcntl: Any = importlib.import_module("fcntl")  # not available on every system
    for first in (number, FIRST_NUMBER):
        try:
            return int(fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, first))
        except OSError as error:
            # The number is beyond the limit, or all of them up to the limit are used.
            if error.errno not in (errno.EINVAL, errno.EMFILE):
                raise
    return int(fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 0))


def _remove_left() -> None:
    """Remove the files of processes that have ended."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*.zip"):
        process = path.name.removeprefix(PREFIX).partition("-")[0]
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            with suppress(OSError):  # it belongs to another user
                path.unlink()
