"""What a task's function can know of its slot: the coordinator, and when a task or the slot ends.

    worker settings ─► each slot: THIS_SLOT.home ─► a task's function ─► headrace.current_cluster()
                                   task_ended, slot_ended ─► whoever asked to be told

What a task's function opens there stays open for the slot's next tasks, and is told when one ends.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from headrace_wire.address import Address
from headrace_wire.encryption import AUTOMATIC, Encryption


class Home(Struct, frozen=True):
    """How to reach the coordinator. With which key, each job says: see ``ThisSlot.token``."""

    address: Address
    encryption: Encryption = AUTOMATIC


class ThisSlot:
    """This process as a slot of a worker. In all other processes ``home`` is None."""

    def __init__(self) -> None:
        self.home: Home | None = None
        #: Why it has none although it runs tasks; "" where it runs none.
        self.no_home = ""
        #: What is shown to the coordinator in place of a key: it is of the job whose task runs, and
        #: ends with that. Those who use it are told when there is another one.
        self.token = ""
        self.on_token: list[Callable[[], object]] = []
        #: Called at the end of each task, and of the slot: they must be quick and never fail.
        self.on_task_end: list[Callable[[], object]] = []
        self.on_slot_end: list[Callable[[], object]] = []

        #: Called when an initializer of a program begins, which has the time limit of a call.
        self.on_initializer: list[Callable[[], object]] = []

    def take_token(self, token: str) -> None:
        """Take the token of the job of which the next tasks are."""
        if token != self.token:
            self.token = token
            for tell in self.on_token:
                tell()

    def initializer_begins(self) -> None:
        """Tell that from now on the initializer runs, and no longer what prepares it."""
        for tell in self.on_initializer:
            tell()

    def task_ended(self) -> None:
        """Tell that a task's function has returned or raised."""
        for tell in self.on_task_end:
            tell()

    def slot_ended(self) -> None:
        """Tell that this process ends."""
        for tell in self.on_slot_end:
            tell()


#: This process's own.
THIS_SLOT = ThisSlot()
