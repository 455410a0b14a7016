"""A descriptor that becomes readable when a child process has ended.

On Linux this is a pidfd. On systems without pidfds, and in containers that forbid them, it is a
socket whose other end a thread closes after it has joined the process.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from multiprocessing.process import BaseProcess

from headrace_wire.system.portable import PORTABLE
from headrace_worker.launch.forked_slot import ForkedSlot
from headrace_worker.launch.spawned_slot import SpawnedSlot

#: The process of a slot. Its ``exitcode`` is None while it runs, and if nobody knows how it ended.
Child = BaseProcess | ForkedSlot | SpawnedSlot

#: The errors of a system that has no pidfds or forbids them.
NO_PIDFDS = (errno.ENOSYS, errno.EPERM, errno.EINVAL)


def watch_exit(process: Child) -> PidfdWatch | JoinWatch:
    """Watch a process that was just started. Raises OSError.

    Raises ProcessLookupError if somebody else has already waited for its end.
    """
    if sys.platform != "linux" or PORTABLE:
        return JoinWatch(process)
    try:
        return PidfdWatch(process)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_PIDFDS:
            raise
        return JoinWatch(process)


class PidfdWatch:
    """A pidfd. Raises AttributeError if Python has no pidfds.

    ``join`` waits until it is known how the process ended, in this class and the next.
    """

    def __init__(self, process: Child) -> None:
        assert process.pid is not None, "a started process has a number"
        self._process = process
        # The process's sentinel would also become readable when only the fork server has died.
        self._pidfd = _open_pidfd(process.pid)

    def fileno(self) -> int:
        return self._pidfd

    def kill(self) -> None:
        # Its number may already belong to another process, but the descriptor does not.
        if sys.platform == "linux":
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def join(self, seconds: float) -> None:
        self._process.join(seconds)

    def close(self) -> None:
        os.close(self._pidfd)


def _open_pidfd(pid: int) -> int:
    if sys.platform == "linux":
        return os.pidfd_open(pid)
    raise AttributeError("other systems have none")


class JoinWatch(threading.Thread):
    """A socket whose other end a thread closes after it has joined the process.

    The thread holds no lock while it waits, so that a fork at that time does no harm.
    """

    def __init__(self, process: Child) -> None:
        super().__init__(name="headrace-join", daemon=True)
        self._process = process
        # Windows can wait for sockets, but not for pipes.
        self._near, self._far = socket.socketpair()
        try:
            self.start()
        except RuntimeError as error:
            self._far.close()
            self._near.close()
            raise OSError(errno.EAGAIN, str(error)) from None

    def run(self) -> None:
        try:
            self._process.join()
        finally:
            self._far.close()

    def fileno(self) -> int:
        return self._near.fileno()

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._near.close()
