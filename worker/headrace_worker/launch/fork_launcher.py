"""The fork server as its launcher sees it."""

from __future__ import annotations

import gc
import logging
import os
import socket
import subprocess
import sys
import threading
import types
from asyncio import AbstractEventLoop
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NoReturn

import psutil

from headrace_wire.encoding import pack
from headrace_worker.launch.fork_server import serve, write_program
from headrace_worker.launch.forked_slot import ForkedSlot, Server, kill_server
from headrace_worker.launch.interpreter import start_interpreter
from headrace_worker.launch.launcher import Launcher, hold_interrupts
from headrace_worker.launch.order import Order, Target
from headrace_worker.launch.orphans import adopt_orphans
from headrace_worker.link.cell import Cell
from headrace_worker.link.loader import import_beforehand
from headrace_worker.machine.processes import name_signal
from headrace_worker.slot.slot import ONE_THREAD_EACH, SlotSettings

if sys.platform != "linux":
    raise ImportError("no other system can have it: see start_methods.HAS_FORK_SERVER")

#: How long, in seconds, the end of a process may take to be known after it has closed its files.
END_SECONDS = 1.0

log = logging.getLogger(__name__)


class ForkServer(Launcher):
    """The fork server. It is started when it is first needed, and again when it has died.

    If it is another interpreter, the same folders are closed to it as to its slots; these are the
    same for all slots.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        super().__init__("forkserver", preload)
        self._process: Server | None = None
        self._control: socket.socket | None = None
        self._loop: AbstractEventLoop | None = None
        #: The process whose end has been logged.
        self._buried: Server | None = None
        # Slots live as long as the other end is open, which no other process gets. They may live
        # longer than the server that forked them.
        self._lifeline, self._life = os.pipe()

    def prepare(self) -> None:
        """Start the server as a fork of this process.

        It then shares with this process what is imported now, and slots can be forked from it at
        once. In a process that has threads this does nothing. The server is then another
        interpreter, as it also is when it has to be started again.
        """
        if threading.active_count() == 1:
            import_beforehand(self.preload)
            gc.freeze()
            self._begin(self._fork)
        # If the fork server dies, its slots become children of this process.
        adopt_orphans()

    def _begin(self, start: Callable[[socket.socket, socket.socket], Server]) -> None:
        self._drop_control()
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs, hold_interrupts():
                self._process = start(control, theirs)
            control.send(pack([self.preload, sys.argv, os.getpid()]))
        except BaseException:
            control.close()
            raise
        self._control = control
        self.watch_with(self._loop)

    def watch_with(self, loop: AbstractEventLoop | None) -> None:
        """Let this event loop watch for the end of the server, which is logged; None for no
        loop.
        """
        if self._control and self._loop:
            self._loop.remove_reader(self._control.fileno())
        self._loop = loop
        if self._control and loop:
            loop.add_reader(self._control.fileno(), self._note_end)

    def _note_end(self) -> None:
        """Log the end of the server, which has closed its socket. It never sends anything."""
        self._drop_control()
        if self._process and self._process is not self._buried:
            self._buried = self._process
            log.warning(
                "the fork server (process %d) %s; another one is started for the next slot",
                self._process.pid,
                _explain_end(self._process),
            )

    def _drop_control(self) -> None:
        if self._control:
            if self._loop:
                self._loop.remove_reader(self._control.fileno())
            self._control.close()
            self._control = None

    def _spawn(
        self, closed_folders: Collection[str], control: socket.socket, theirs: socket.socket
    ) -> Server:
        del control  # it is not inherited
        fds = (theirs.fileno(), self._lifeline)
        return start_interpreter(write_program(*fds), fds, closed_folders)

    def _fork(self, control: socket.socket, theirs: socket.socket) -> Server:
        number = os.fork()
        if not number:
            try:
                control.close()
                os.close(self._life)
                _become_server(theirs, self._lifeline)
            finally:
                os._exit(1)
        return psutil.Process(number)

    def start(
        self, target: Target, link: socket.socket, cell: Cell, settings: SlotSettings, name: str
    ) -> ForkedSlot:
        """Fork a slot. Raises OSError if this is refused, or if the server has died."""
        if self._control and self._process and _has_ended(self._process):
            self._note_end()
        if not self._control:
            # The server still imports modules after this returns.
            self._begin(partial(self._spawn, settings.closed_folders))
        assert self._control, "it has just been started"
        assert self._process, "it has just been started"
        report, theirs = os.pipe()
        try:
            try:
                message = Order.make(target, settings, name).encode()
                socket.send_fds(self._control, [message], [link.fileno(), int(cell.handle), theirs])
            finally:
                os.close(theirs)
            return ForkedSlot(report, self._process)
        except BaseException:
            os.close(report)
            raise

    def close(self) -> None:
        """End the server at once, and with it all slots."""
        self._drop_control()
        if self._process:
            kill_server(self._process)
            self._process.wait()
        if self._life >= 0:
            os.close(self._lifeline)
            os.close(self._life)
            self._life = -1


def _become_server(control: socket.socket, lifeline: int) -> NoReturn:
    sys.modules["__main__"] = types.ModuleType("__main__")
    os.environ.update(ONE_THREAD_EACH | os.environ)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    serve(control.detach(), lifeline)


def _explain_end(server: Server) -> str:
    try:
        status = server.wait(END_SECONDS)
    except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
        return "does not answer any more"
    return f"was killed by {name_signal(-status)}" if status < 0 else f"exited with {status}"


def _has_ended(server: Server) -> bool:
    try:
        server.wait(0)
    except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
        return False
    return True
