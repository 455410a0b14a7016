"""What a task's function can know about its slot: the coordinator, and when a task or the slot
ends.

    worker settings ─► each slot: THIS_SLOT.home ─► a task's function ─► headrace.current_cluster()
                                   task_ended, slot_ended ─► registered functions

What a task's function opens stays open for the slot's next tasks, and is notified when one ends.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from headrace_wire.address import Address
from headrace_wire.encryption import AUTOMATIC, Encryption


class Home(Struct, frozen=True):
    """How to connect to the coordinator. The key is that of each job: see ``ThisSlot.token``."""

    address: Address
    encryption: Encryption = AUTOMATIC


class ThisSlot:
    """This process as a slot of a worker. In all other processes, ``home`` is None."""

    def __init__(self) -> None:
        self.home: Home | None = None
        #: Why it has no home although it runs tasks; "" if it runs none.
        self.no_home = ""
        #: The token that is sent to the coordinator instead of a key. It belongs to the job whose
        #: task runs, and becomes invalid with it. ``on_token`` is called when it changes.
        self.token = ""
        self.on_token: list[Callable[[], object]] = []
        #: Called at the end of each task, and of the slot; they must be quick and never fail.
        self.on_task_end: list[Callable[[], object]] = []
        self.on_slot_end: list[Callable[[], object]] = []

        #: Called when an initializer of a program begins, which has the time limit of a call.
        self.on_initializer: list[Callable[[], object]] = []

    def take_token(self, token: str) -> None:
        """Set the token of the job to which the next tasks belong."""
        if token != self.token:
            self.token = token
            for tell in self.on_token:
                tell()

    def initializer_begins(self) -> None:
        """Notify that the initializer itself begins, after its preparation."""
        for tell in self.on_initializer:
            tell()

    def task_ended(self) -> None:
        """Notify that a task's function has returned or raised."""
        for tell in self.on_task_end:
            tell()

    def slot_ended(self) -> None:
        """Notify that this process ends."""
        for tell in self.on_slot_end:
            tell()


#: The instance of this process.
THIS_SLOT = ThisSlot()
