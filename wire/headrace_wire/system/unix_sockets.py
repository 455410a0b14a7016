"""Listens on a Unix socket: a file to which only its owner may connect."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import Any

from headrace_wire.system.portable import PORTABLE

#: The maximum length of a path on any system in bytes: macOS has the least, 104 with the final
#: zero.
MAX_PATH_BYTES = 103

#: Whether the system has Unix sockets; Python does not support them on Windows.
HAS_UNIX_SOCKETS = hasattr(socket, "AF_UNIX") and not PORTABLE

#: Their address family; None if there is none.
FAMILY: Any = getattr(socket, "AF_UNIX", None)


def fits(path: str) -> bool:
    """Return whether a Unix socket can have this path on every system."""
    return len(os.fsencode(path)) <= MAX_PATH_BYTES


class UnixListener(socket.socket):
    """Listens at a path, and removes the file when it is closed.

    A file that a killed process left is replaced. Raises OSError.
    """

    def __init__(self, path: str, backlog: int) -> None:
        super().__init__(FAMILY, socket.SOCK_STREAM)
        self._path = path
        self._file: tuple[int, int] | None = None
        try:
            _remove_abandoned(path)
            self.bind(path)
            found = os.lstat(path)
            self._file = found.st_dev, found.st_ino
            os.chmod(path, 0o600)  # noqa: PTH101 - nobody can connect before it listens
            self.listen(backlog)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(self._path)
                if (found.st_dev, found.st_ino) == file:  # otherwise it has been replaced
                    os.unlink(self._path)  # noqa: PTH108 - as in os.lstat above
        super().close()


def _remove_abandoned(path: str) -> None:
    """Remove a socket on which nobody listens. Raises OSError if somebody does."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "there is another file of that name")
        with socket.socket(FAMILY, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)  # noqa: PTH108 - as in os.lstat above
                return
            except BlockingIOError:
                pass  # many connections wait there
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
