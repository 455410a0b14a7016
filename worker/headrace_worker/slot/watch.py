"""A slot's second thread, which notices that the agent is gone, and that results wait too long."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from multiprocessing.connection import wait
from typing import Any, NoReturn

from headrace_wire.system.polling import CLOSED, READABLE, make_poll
from headrace_worker.link.cell import CUT_OFF, Cell
from headrace_worker.link.channel import SlotEnd
from headrace_worker.slot.bell import Bell, make_bell
from headrace_worker.slot.outbox import Outbox
from headrace_worker.slot.task_news import NEWS_SECONDS

#: How often, in seconds, the watch checks for overdue results while a piece of several tasks runs.
WATCH_SECONDS = 0.02

#: Exit status of a slot whose agent is gone, and of one that can no longer communicate with its
#: pool.
EXIT_ORPHANED = 70
EXIT_CUT_OFF = 71


class Watch(threading.Thread):
    """Ends the slot when its agent is gone, and sends results that a long task would delay."""

    def __init__(self, end: SlotEnd, cell: Cell) -> None:
        super().__init__(name="headrace-watch", daemon=True)
        self.outbox = Outbox(end, cell, self.nudge)
        self._cell = cell
        self._bell = make_bell()
        self._asleep = False
        self._several = False

    def expect(self, *, several: bool) -> None:
        """Note whether a piece of several tasks runs, in which a result may wait for the next
        task.
        """
        self._several = several
        if several:
            self.nudge()

    def nudge(self) -> None:
        """Wake the watch: there is, or may soon be, something to send."""
        if self._asleep:
            self._asleep = False
            # If a task has closed it, the slot ends when the outcome of that task is reported.
            with contextlib.suppress(OSError, ValueError):
                self._bell.ring()

    def run(self) -> None:
        sentinel = find_agent_sentinel()
        watched = _Watched(sentinel, self._bell)
        while True:
            # This is set before the check, so that a piece that begins in between wakes this
            # thread.
            self._asleep = True
            seconds = None
            if self._several or self.outbox.news.has_news:
                self._asleep = False
                seconds = WATCH_SECONDS if self._several else NEWS_SECONDS
            try:
                is_gone, is_rung = watched.look(seconds)
                if is_rung:
                    self._bell.silence()
            except (OSError, ValueError):
                end_cut_off(self._cell)
            if is_gone:
                # If the agent is still there to read this, a task has closed the sentinel, and its
                # number belongs to another file.
                self._cell.words[CUT_OFF] = 1
                os._exit(EXIT_ORPHANED)
            try:
                self.outbox.flush_overdue()
            except OSError:
                # The pool has closed its end. The running task may finish; then its thread notices.
                self._several = False


class _Watched:
    """What the watch waits for: the descriptor that shows the agent's end, and a bell."""

    def __init__(self, sentinel: int, bell: Bell) -> None:
        self._sentinel, self._bell = sentinel, bell
        self._poll: Any = None
        if make_poll is not None:
            self._poll = make_poll()
            self._poll.register(sentinel, READABLE)
            self._poll.register(bell, READABLE)

    def look(self, seconds: float | None) -> tuple[bool, bool]:
        """Wait until one of them is readable, or for this long; return which of them are.

        Raises OSError and ValueError if a task has closed one of them.
        """
        if self._poll is None:
            # On Windows it is not a descriptor, and tasks do not close it.
            if os.name == "posix":
                os.fstat(self._sentinel)
            watched: list[Any] = [self._sentinel, self._bell]  # any with a fileno()
            ready = wait(watched, seconds)
            return watched[0] in ready, watched[1] in ready
        events = dict(self._poll.poll(None if seconds is None else seconds * 1000))
        if any(event & CLOSED for event in events.values()):
            raise ValueError("a descriptor is closed")
        return self._sentinel in events, self._bell.fileno() in events


def end_cut_off(cell: Cell) -> NoReturn:
    """End the slot, whose own descriptors a task has closed, so that it cannot send anything."""
    cell.words[CUT_OFF] = 1
    os._exit(EXIT_CUT_OFF)


def find_agent_sentinel() -> int:
    agent = multiprocessing.parent_process()
    assert agent is not None, "a slot is always a child"
    sentinel: int = agent.sentinel
    return sentinel
