"""The order to start a slot, and how a process becomes that slot.

To a task, a slot has to look like a child of multiprocessing, however it was started. The folders
that are closed to tasks are closed before anything else, because modules that are imported later
may be code that a task has left behind.
"""

from __future__ import annotations

import importlib
import multiprocessing
import socket
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from msgspec import Struct, convert, to_builtins

from headrace_wire.encoding import pack, unpack
from headrace_wire.system.landlock import close_folders
from headrace_worker.link.cell import Cell
from headrace_worker.slot.slot import SlotSettings

#: The maximum length of a message, in bytes.
MESSAGE_BYTES = 1 << 17

#: The main function of a slot.
Target = Callable[[socket.socket, Cell, SlotSettings], object]


class Order(Struct, frozen=True):
    """A message that requests a slot: module and name of the main function, settings, and the
    slot's name.
    """

    target: tuple[str, str]
    settings: SlotSettings
    name: str

    @classmethod
    def make(cls, target: Target, settings: SlotSettings, name: str) -> Order:
        return cls((target.__module__, target.__qualname__), settings, name)

    def encode(self) -> bytes:
        return pack([self.target, to_builtins(self.settings), self.name])

    @classmethod
    def decode(cls, message: bytes) -> Order:
        """Decode an order. Nothing in it is unpickled or imported."""
        target, settings, name = unpack(message)
        return cls(tuple(target), convert(settings, SlotSettings), name)

    def carry_out(
        self, link: int, cell: int, start_method: str, launcher: int, lifeline: int
    ) -> int:
        """Be the slot until its end, and return its exit status.

        Its parent is the process of the launcher, whose sentinel is the lifeline.
        """
        if self.settings.closed_folders:
            close_folders(self.settings.closed_folders)
        module, qualname = self.target
        target = attrgetter(qualname)(importlib.import_module(module))
        args = (socket.socket(fileno=link), Cell(cell), self.settings)
        # This uses its private attributes: see above.
        context: Any = multiprocessing.get_context(start_method)
        process = context.Process(target=target, args=args, name=self.name, daemon=True)
        process._parent_pid = launcher  # noqa: SLF001 - see above
        status: int = process._bootstrap(lifeline)  # noqa: SLF001 - see above
        return status
