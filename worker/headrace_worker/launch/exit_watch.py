"""A descriptor that becomes readable when a child process has ended.

On Linux that is a pidfd. Systems without pidfds, and containers that forbid them, get a socket
whose other end a thread closes when it has joined the process.
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

from headrace_wire.portable import PORTABLE
from headrace_worker.launch.forked_slot import ForkedSlot
from headrace_worker.launch.spawned_slot import SpawnedSlot

#: A slot's process. Its ``exitcode`` is None while it runs, and where nobody knows how it ended.
Child = BaseProcess | ForkedSlot | SpawnedSlot

#: What the system answers where there are no pidfds, or where they are forbidden.
NO_PIDFDS = (errno.ENOSYS, errno.EPERM, errno.EINVAL)


def watch_exit(process: Child) -> PidfdWatch | JoinWatch:
    """Watch a process that was just started; raises OSError where the system refuses.

    Raises ProcessLookupError where somebody else has waited for its end already.
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
    """A pidfd. Raises AttributeError where Python knows of none.

    ``join`` waits until it is known how the process ended, in this class and the next.
    """

    def __init__(self, process: Child) -> None:
        assert process.pid is not None, "a started process has a number"
        self._process = process
        # Not the process's sentinel, which also fires when only the fork server has died.
        self._pidfd = _open_pidfd(process.pid)

    def fileno(self) -> int:
        return self._pidfd

    def kill(self) -> None:
        # By descriptor: its number may already belong to another process.
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
    """A socket whose peer a thread closes when it has joined the process.

    The thread holds no lock meanwhile: a fork beside it is harmless.
    """

    def __init__(self, process: Child) -> None:
        super().__init__(name="headrace-join", daemon=True)
        self._process = process
        self._near, self._far = socket.socketpair()  # Windows waits for sockets, and not for pipes
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
