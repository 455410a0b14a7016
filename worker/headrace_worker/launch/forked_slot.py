"""A slot that the fork server has forked, with the interface of a multiprocessing process."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import threading
from multiprocessing.connection import wait

import psutil

from headrace_worker.launch.orphans import wait_for_orphan
from headrace_worker.launch.report import REPORT

#: The signal that no process survives. Windows has neither this signal nor forked slots.
KILL: signal.Signals = getattr(signal, "SIGKILL", signal.SIGTERM)

#: How long, in seconds, a fork server may take to fork a slot. It does so at once, except while it
#: imports modules; a server that takes longer is frozen.
ANSWER_SECONDS = 60.0


#: The process of a fork server: another interpreter, or a fork of this process.
Server = subprocess.Popen[bytes] | psutil.Process


class ForkedSlot:
    """A slot that the fork server forked. Raises OSError if it could not.

    The server reports how the slot ended. If the server dies before that, the slot becomes a child
    of this process, if this process has adopted it (see ``orphans``), and the kernel is asked.
    """

    def __init__(self, report: int, server: Server) -> None:
        self._server = server
        if not wait([report], ANSWER_SECONDS):
            kill_server(server)
            raise OSError(errno.ETIMEDOUT, "the fork server does not answer")
        word = _read_word(report)
        if word is None:
            raise OSError(errno.ECHILD, "the fork server died")
        if word < 0:
            raise OSError(-word, os.strerror(-word))
        self._pid = word
        self._exitcode: int | None = None
        self._report = report
        self._orphaned = False
        self._lock = threading.RLock()

    @property
    def pid(self) -> int | None:
        return self._pid

    @property
    def exitcode(self) -> int | None:
        """The exit status; None while the slot runs, and if nobody knows it any more."""
        self.join(0.0)
        return self._exitcode

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end of the slot, if it can still be observed."""
        if self._report >= 0 and wait([self._report], timeout):
            self._read_report()
        if self._orphaned:
            exitcode = wait_for_orphan(self._pid, timeout)
            if exitcode is not None:
                self._exitcode = exitcode
                self._orphaned = False

    def end_server(self) -> None:
        """End the fork server, which is frozen: this slot is dead, and the server does not say
        how.
        """
        kill_server(self._server)

    def kill(self) -> None:
        if (self._report >= 0 or self._orphaned) and self.exitcode is None:
            # Its number may belong to another user's process by now.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._pid, KILL)

    def close(self) -> None:
        with self._lock:
            if self._report >= 0:
                os.close(self._report)
                self._report = -1

    def _read_report(self) -> None:
        with self._lock:
            if self._report < 0:  # another thread has read it
                return
            self._exitcode = _read_word(self._report)
            self.close()
            if self._exitcode is None:
                self._server.wait()  # its children are handed on after its end
                self._orphaned = True


def kill_server(server: Server) -> None:
    """End a fork server, which may have ended already."""
    with contextlib.suppress(psutil.NoSuchProcess):
        server.kill()


def _read_word(report: int) -> int | None:
    packed = os.read(report, REPORT.size)
    if not packed:
        return None
    (word,) = REPORT.unpack(packed)
    return int(word)
