"""A slot's second thread: it notices that the agent is gone, and that results wait too long."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import threading
from typing import NoReturn

from headrace_worker.link.cell import CUT_OFF, Cell
from headrace_worker.link.channel import SlotEnd
from headrace_worker.slot.outbox import Outbox
from headrace_worker.slot.task_news import NEWS_SECONDS

#: How often, in seconds, the watch looks for overdue results while a piece of several tasks runs.
WATCH_SECONDS = 0.02

#: Exit status of a slot whose agent is gone, and of one that can speak to its pool no more.
EXIT_ORPHANED = 70
EXIT_CUT_OFF = 71


class Watch(threading.Thread):
    """Ends the slot when its agent is gone, and sends what a long task would hold up."""

    def __init__(self, end: SlotEnd, cell: Cell) -> None:
        super().__init__(name="headrace-watch", daemon=True)
        self.outbox = Outbox(end, cell, self.nudge)
        self._cell = cell
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._asleep = False
        self._several = False

    def expect(self, *, several: bool) -> None:
        """Note whether a piece of several tasks runs: a result may wait for the next task then."""
        self._several = several
        if several:
            self.nudge()

    def nudge(self) -> None:
        """Have the watch look again: there is, or may soon be, something to send."""
        if self._asleep:
            self._asleep = False
            # A task may have closed it, and then the slot ends where its outcome is told.
            with contextlib.suppress(OSError, ValueError):
                os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        sentinel = find_agent_sentinel()
        poll = select.poll()
        poll.register(sentinel, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            # Noted before looking: a piece that begins in between then wakes this thread.
            self._asleep = True
            wait = None
            if self._several or self.outbox.news.has_news:
                self._asleep = False
                wait = WATCH_SECONDS if self._several else NEWS_SECONDS
            ready = dict(poll.poll(None if wait is None else wait * 1000))
            if any(event & select.POLLNVAL for event in ready.values()):
                end_cut_off(self._cell)
            if sentinel in ready:
                # If anybody is there to read this, another file has the number of the sentinel.
                self._cell.words[CUT_OFF] = 1
                os._exit(EXIT_ORPHANED)
            if self._wake in ready:
                os.eventfd_read(self._wake)
            try:
                self.outbox.flush_overdue()
            except OSError:
                # The pool has closed its end. The running task may finish; then its thread notices.
                self._several = False


def end_cut_off(cell: Cell) -> NoReturn:
    """End the slot, whose own descriptors a task has closed. Nothing can be written any more."""
    cell.words[CUT_OFF] = 1
    os._exit(EXIT_CUT_OFF)


def find_agent_sentinel() -> int:
    agent = multiprocessing.parent_process()
    assert agent is not None, "a slot is always a child"
    sentinel: int = agent.sentinel
    return sentinel
