"""The slots of a pool: keeps the required number of them alive, and watches them."""

from __future__ import annotations

import logging
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from headrace_wire.errors import HeadraceError
from headrace_worker.launch.launcher import Launcher
from headrace_worker.pool.slot_process import SlotProcess
from headrace_worker.slot.slot import SlotSettings

#: How many slots, in addition to the size of the pool, may die in a row before they are ready, and
#: the pause after the first such death, in seconds. The pause doubles each time, up to the longest.
START_FAILURES = 8
START_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0

_log = logging.getLogger(__name__)


class SlotStartError(HeadraceError):
    """The slots of the pool cannot be started."""

    code = "slot_start"


@dataclass
class Supervisor:
    """Starts, replaces and ends slots. Not thread-safe.

    ``on_readable`` is called with a slot that has sent something or closed its end, and ``on_dead``
    with a slot whose process has ended; both are called by the event loop that watches.
    """

    size: int
    launcher: Launcher
    settings: SlotSettings
    on_readable: Callable[[SlotProcess], object]
    on_dead: Callable[[SlotProcess], object]
    slots: list[SlotProcess] = field(default_factory=list[SlotProcess])
    closed: bool = False
    _started: int = 0
    _failures: int = 0
    _warned: bool = False
    _pause_end_seconds: float = 0.0
    _loop: AbstractEventLoop | None = None

    @property
    def next_start_seconds(self) -> float | None:
        """When the next slot may be started; None if none is missing."""
        return self._pause_end_seconds if len(self.slots) < self.size else None

    def start_missing(self, now_seconds: float) -> None:
        """Start the slots that are missing, unless slots have just failed to start.

        Raises SlotStartError if too many in a row failed.
        """
        while len(self.slots) < self.size and now_seconds >= self._pause_end_seconds:
            self._started += 1
            try:
                slot = SlotProcess(self.launcher, self.settings, f"headrace-slot-{self._started}")
            except OSError as error:
                self._note_failure(str(error))
                continue
            self.slots.append(slot)
            self._watch(slot)

    def watch_with(self, loop: AbstractEventLoop | None) -> None:
        """Let this event loop watch the slots from now on; None for no loop."""
        for slot in self.slots:
            self._unwatch(slot.end.fileno(), slot.exit_fd)
        self._loop = loop
        self.launcher.watch_with(loop)
        for slot in self.slots:
            self._watch(slot)

    def note_ready(self, slot: SlotProcess, missing: list[str]) -> None:
        """Note that a slot may be sent tasks, and that these modules were not preloaded."""
        slot.ready = True
        self._failures = 0
        if missing and not self._warned:
            self._warned = True
            _log.warning(
                "the fork server could not preload %s: slots import them one by one",
                ", ".join(missing),
            )

    def push(self, slot: SlotProcess) -> None:
        """Send as much as the slot accepts now, and the rest as soon as it reads."""
        slot.end.push()
        if self._loop and slot.end.is_backed_up and slot.ended_seconds is None:
            self._loop.add_writer(slot.end.fileno(), self._push_rest, slot)

    def note_ended(self, slot: SlotProcess) -> None:
        """Stop listening to a slot that has closed its end."""
        if slot.ended_seconds is None:
            slot.ended_seconds = time.monotonic()
            self._unwatch(slot.end.fileno())

    def note_dead(self, slot: SlotProcess) -> None:
        """Stop watching for the end of a slot, which has ended."""
        slot.dead = True
        self._unwatch(slot.exit_fd)

    def reap(self, slot: SlotProcess) -> int | None:
        """Free the resources of a dead slot, and return its exit status as ``SlotProcess.reap``
        does.
        """
        self.note_ended(slot)
        self.slots.remove(slot)
        status = slot.reap()
        if not slot.ready and slot.kill_reason in (None, "start"):
            self._note_failure(f"a slot died while it started (exit status {status})")
        return status

    def close(
        self, *, kill: bool, grace_seconds: float, call_off: bool = False
    ) -> list[SlotProcess]:
        """End all slots, at once or when their running task ends, and free all resources.

        If ``call_off``, running tasks are told to end; slots whose tasks never ask are killed.
        Returns the slots that existed, with the tasks that they still held.
        """
        if self.closed:
            return []
        self.closed = True
        for slot in self.slots:
            self._unwatch(slot.end.fileno(), slot.exit_fd)
            slot.revoke()
            slot.end.close()
            running = slot.cell.read_running() if call_off else None
            if kill or (running and not slot.cell.ask_to_end(running.number)):
                slot.kill()
        end = time.monotonic() + grace_seconds
        for slot in self.slots:
            watched: Any = slot.exit  # anything with a fileno() can be watched
            wait([watched], max(0.0, end - time.monotonic()))
        for slot in self.slots:
            slot.kill()
            slot.reap()
        self.launcher.close()
        slots, self.slots = self.slots, []
        return slots

    def _push_rest(self, slot: SlotProcess) -> None:
        slot.end.push()
        if self._loop and not slot.end.is_backed_up:
            self._loop.remove_writer(slot.end.fileno())

    def _watch(self, slot: SlotProcess) -> None:
        if not self._loop:
            return
        if slot.ended_seconds is None:
            self._loop.add_reader(slot.end.fileno(), self.on_readable, slot)
            self.push(slot)
        if not slot.dead:
            self._loop.add_reader(slot.exit_fd, self.on_dead, slot)

    def _unwatch(self, *fds: int) -> None:
        if self._loop:
            for fd in fds:
                self._loop.remove_reader(fd)
                self._loop.remove_writer(fd)

    def _note_failure(self, why: str) -> None:
        self._failures += 1
        if self._failures >= START_FAILURES + self.size:
            raise SlotStartError(
                f"the slots of the pool cannot be started ({self._failures} in a row): {why}; "
                "standard error may say more"
            )
        _log.warning("%s; trying again", why)
        pause_seconds = min(LONGEST_PAUSE_SECONDS, START_PAUSE_SECONDS * 2 ** (self._failures - 1))
        self._pause_end_seconds = time.monotonic() + pause_seconds
