"""A slot that the fork server has forked, in the words of multiprocessing."""

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

#: What nothing survives. Windows has no such signal, and no forked slots.
KILL: signal.Signals = getattr(signal, "SIGKILL", signal.SIGTERM)

#: How long, in seconds, a fork server may take to fork a slot, which it does at once when it has
#: imported what slots are to share; one that takes longer is frozen.
ANSWER_SECONDS = 60.0


#: A fork server's process: another interpreter, or a fork of this process.
Server = subprocess.Popen[bytes] | psutil.Process


class ForkedSlot:
    """A slot that the fork server forked. Raises OSError where it could not.

    How it ended the server tells. If the server dies before that, the slot becomes a child of this
    process, where that has adopted it (see ``orphans``), and the kernel tells.
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
        """How it ended; None while it runs, and where nobody can tell any more."""
        self.join(0.0)
        return self._exitcode

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, as far as anybody tells of it."""
        if self._report >= 0 and wait([self._report], timeout):
            self._read_report()
        if self._orphaned:
            exitcode = wait_for_orphan(self._pid, timeout)
            if exitcode is not None:
                self._exitcode = exitcode
                self._orphaned = False

    def end_server(self) -> None:
        """End the fork server, which is frozen: this slot is dead, and it does not say how."""
        kill_server(self._server)

    def kill(self) -> None:
        if (self._report >= 0 or self._orphaned) and self.exitcode is None:
            # Its number may be another user's by now.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._pid, KILL)

    def close(self) -> None:
        with self._lock:
            if self._report >= 0:
                os.close(self._report)
                self._report = -1

    def _read_report(self) -> None:
        with self._lock:
            if self._report < 0:  # another thread was told
                return
            self._exitcode = _read_word(self._report)
            self.close()
            if self._exitcode is None:
                self._server.wait()  # until then its children are not handed on
                self._orphaned = True


def kill_server(server: Server) -> None:
    """End a fork server, which may be gone already."""
    with contextlib.suppress(psutil.NoSuchProcess):
        server.kill()


def _read_word(report: int) -> int | None:
    packed = os.read(report, REPORT.size)
    if not packed:
        return None
    (word,) = REPORT.unpack(packed)
    return int(word)
