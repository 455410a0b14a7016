"""Slots that have their own interpreters."""

from __future__ import annotations

import multiprocessing
import os
import socket
from multiprocessing.process import BaseProcess
from typing import Any

from headrace_worker.launch.launcher import Launcher, hide_from_child, hold_interrupts
from headrace_worker.launch.order import Order, Target
from headrace_worker.launch.spawned_slot import SpawnedSlot
from headrace_worker.link.cell import Cell
from headrace_worker.slot.slot import SlotSettings

#: An interpreter that is started with -c searches for modules in the current folder first, unless
#: this variable is set.
_SAFE_PATH = "PYTHONSAFEPATH"


class Spawner(Launcher):
    """Starts each slot as its own interpreter."""

    def start(
        self, target: Target, link: socket.socket, cell: Cell, settings: SlotSettings, name: str
    ) -> SpawnedSlot:
        """Start an interpreter. Raises OSError if the system refuses."""
        with hold_interrupts():
            return SpawnedSlot(Order.make(target, settings, name), link.fileno(), int(cell.handle))


class WindowsSpawner(Launcher):
    """Starts each slot as multiprocessing does, because descriptors cannot be inherited on
    Windows.
    """

    def start(
        self, target: Target, link: socket.socket, cell: Cell, settings: SlotSettings, name: str
    ) -> BaseProcess:
        """Start an interpreter. Raises OSError if the system refuses."""
        # The type is a union of the contexts of all platforms, some of which have no processes.
        context: Any = multiprocessing.get_context("spawn")
        before = os.environ.get(_SAFE_PATH)
        args = (before is None, target, link, cell, settings)
        process: BaseProcess = context.Process(
            target=_begin_slot, args=args, name=name, daemon=True
        )
        os.environ[_SAFE_PATH] = before or "1"
        try:
            with hide_from_child(), hold_interrupts():
                process.start()
        finally:
            if before is None:
                del os.environ[_SAFE_PATH]
        return process


def _begin_slot(
    forget: bool, target: Target, link: socket.socket, cell: Cell, settings: SlotSettings
) -> None:
    if forget:
        os.environ.pop(_SAFE_PATH, None)
    target(link, cell, settings)
