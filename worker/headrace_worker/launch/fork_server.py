"""The fork server: a process without threads from which slots are forked.

    launcher ── once: what to import, its own arguments and its number ──► serve
    launcher ── target and settings, with link, cell and report ──► serve ── fork ──► slot
    launcher ◄─ report: the slot's process number, at its end how it ended ┘

There is no resource tracker, which would be another, unnecessary interpreter. Objects of modules
that were imported beforehand are frozen, so that slots share their memory.

The server ends when the launcher's end of the socket is closed. Slots go on then; they end with the
lifeline, a pipe whose other end only the launcher's process has.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from types import FrameType
from typing import NoReturn

from headrace_wire.encoding import unpack
from headrace_worker.launch.order import MESSAGE_BYTES, Order
from headrace_worker.launch.orphans import adopt_orphans, read_end, reap_strays
from headrace_worker.launch.report import REPORT
from headrace_worker.link.loader import import_beforehand

if sys.platform != "linux":
    raise ImportError("no other system can have it: see start_methods.HAS_FORK_SERVER")

#: The name of a fork server in lists of processes, which have room for 15 characters.
SERVER_NAME = "headrace-forks"

#: How many bytes are read from the signal pipe at a time; each signal writes one.
SIGNAL_BYTES = 4096


def serve(control_fd: int, lifeline: int) -> NoReturn:
    """Fork a slot for each order, and report how each ended. This is the process's main
    function.
    """
    _name_process(SERVER_NAME)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    control = socket.socket(fileno=control_fd)
    preload, sys.argv[:], launcher = unpack(control.recv(MESSAGE_BYTES))
    # Garbage that is collected before the fork would leave holes in pages that slots then fill.
    gc.disable()
    import_beforehand(preload)
    gc.freeze()
    adopt_orphans()
    _Server(control, lifeline, launcher).run()


class _Server:
    def __init__(self, control: socket.socket, lifeline: int, launcher: int) -> None:
        self._control = control
        self._lifeline = lifeline
        self._launcher = launcher
        #: The descriptor for the report of each slot, by its process number.
        self._slots: dict[int, int] = {}
        # The signal only says that children have ended, and not which.
        self._ended, self._wake = os.pipe()
        os.set_blocking(self._ended, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _go_on)

    def run(self) -> NoReturn:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._ended, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._control.fileno() in ready:
                self._take_order()
            if self._ended in ready:
                os.read(self._ended, SIGNAL_BYTES)
                self._bury_ended()

    def _take_order(self) -> None:
        try:
            message, fds, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 3)
        except ConnectionError:
            message, fds = b"", []
        if not message:
            os._exit(0)
        link, cell, report = fds
        try:
            number = os.fork()
        except OSError as error:
            _tell(report, -(error.errno or 1))
            os.close(report)
        else:
            if not number:
                self._become_slot(message, link, cell, report)
            _tell(report, number)
            self._slots[number] = report
        os.close(link)
        os.close(cell)

    def _bury_ended(self) -> None:
        for number in list(self._slots):
            status = read_end(number)
            if status is None:
                continue
            report = self._slots.pop(number)
            # The report is sent first, so that the kernel can still be asked if this process is
            # killed in between.
            _tell(report, status)
            os.waitpid(number, 0)
            os.close(report)
        # Processes that tasks left behind become children of this process.
        reap_strays(self._slots)

    def _become_slot(self, message: bytes, link: int, cell: int, report: int) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            for fd in (self._ended, self._wake, report, *self._slots.values()):
                os.close(fd)
            gc.enable()
            order = Order.decode(message)
            _name_process(order.name)
            status = order.carry_out(link, cell, "forkserver", self._launcher, self._lifeline)
        finally:
            os._exit(status)


def _go_on(number: int, frame: FrameType | None) -> None:
    """Do nothing: the signal has made the pipe readable."""


def _name_process(name: str) -> None:
    with contextlib.suppress(OSError), open("/proc/self/comm", "w") as file:  # noqa: PTH123 - no file
        file.write(name)


def _tell(report: int, word: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the launcher has ended or does not care
        os.write(report, REPORT.pack(word))


def write_program(control_fd: int, lifeline: int) -> str:
    """Return the program that the fork server's interpreter runs."""
    return f"from {__name__} import serve; serve({control_fd}, {lifeline})"
