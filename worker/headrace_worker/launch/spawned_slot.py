"""A slot in its own interpreter, with the interface of a multiprocessing process.

    SpawnedSlot ── arguments of the command line and process number, then the order ──► begin

The spawn method of multiprocessing would start the interpreter with all folders open, and a
resource tracker, which is another interpreter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import NoReturn

from msgspec.structs import replace

from headrace_wire.encoding import pack, unpack
from headrace_wire.system.memory_file import open_memory_file
from headrace_worker.launch.interpreter import start_interpreter
from headrace_worker.launch.order import Order


class SpawnedSlot:
    """A slot, started by the constructor. Raises OSError if the system refuses.

    It ends when this process does.
    """

    def __init__(self, order: Order, link: int, cell: int) -> None:
        settings = order.settings
        message = replace(order, settings=replace(settings, closed_folders=())).encode()
        lifeline, self._life = os.pipe()
        try:
            # A file has room for all of it, whenever the slot reads it.
            with open(open_memory_file("headrace-order"), "wb") as file:  # noqa: PTH123 - no path
                file.write(pack([sys.argv, os.getpid(), message]))
                file.seek(0)
                fds = (file.fileno(), lifeline, link, cell)
                program = f"from {__name__} import begin; begin{fds}"
                self._process = start_interpreter(program, fds, settings.closed_folders)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(lifeline)

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def join(self, timeout: float | None = None) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        if self._life >= 0:
            os.close(self._life)
            self._life = -1


def begin(order_fd: int, lifeline: int, link: int, cell: int) -> NoReturn:
    """Become the slot that was ordered. This is the interpreter's main function."""
    status = 1
    try:
        for fd in (lifeline, link, cell):
            os.set_inheritable(fd, False)  # programs that tasks start must not inherit it
        with open(order_fd, "rb") as file:
            sys.argv[:], launcher, message = unpack(file.read())
        order = Order.decode(message)
        status = order.carry_out(link, cell, "spawn", launcher, lifeline)
    finally:
        os._exit(status)
