"""The interface between a worker and what runs its tasks.

    leases ─► submit ─► Engine ─► take_events, take_lines ─► reports
    orders ─► cancel, cancel_task, hand_back ─┘

The worker's own pool is an engine; ``RemoteEngine`` is one that uses another cluster.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Protocol

from headrace_wire.messages.reports import ReturnedSpan
from headrace_wire.messages.workers import RunningTask
from headrace_worker.link.messages import Progress, TaskLine
from headrace_worker.machine.processes import Usage
from headrace_worker.pool.batch import Batch, Event
from headrace_worker.pool.tally import Tally
from headrace_worker.prefetch import Times


class Engine(Protocol):
    """Runs tasks. Not thread-safe, except for ``close``.

    Each task of a batch comes back once as an event, unless its job is cancelled: with an outcome,
    or returned because it was not run to its end here. A task that fails, dies or never ends does
    not affect other tasks, as far as the engine can prevent that: see ``headrace_wire.engines``.
    """

    @property
    def slots(self) -> int:
        """How many tasks can run at the same time now."""
        ...

    @property
    def busy_slots(self) -> int: ...

    @property
    def idle_slots(self) -> int:
        """How many more tasks can be taken that wait behind others for no longer than it takes to
        bring them to where they run.
        """
        ...

    @property
    def outstanding(self) -> frozenset[int]:
        """Keys of the batches that have tasks without an outcome."""
        ...

    @property
    def pending_tasks(self) -> int:
        """How many tasks have not started and can be handed back."""
        ...

    @property
    def queued_tasks(self) -> int:
        """How many tasks wait behind others."""
        ...

    @property
    def mean_seconds(self) -> float | None:
        """The recent mean duration of a task, in seconds; None before any task has ended."""
        ...

    @property
    def pending_seconds(self) -> float | None:
        """How long one slot would take for the tasks that have not started; None if not known."""
        ...

    @property
    def tally(self) -> Tally:
        """The counters for metrics."""
        ...

    @property
    def due_seconds(self) -> float:
        """When events have to be taken at the latest, in monotonic time; infinite for never."""
        ...

    def find_times(self) -> Times | None:
        """Return how long the tasks that are here take; None if not known."""
        ...

    def find_means(self) -> dict[str, float]:
        """Return the mean duration of a task in seconds, for each job for which it is known."""
        ...

    def list_left(self) -> list[float]:
        """Return in how many seconds each slot is expected to be finished with what it runs; 0 for
        a slot that is idle, or for which this is not known.
        """
        ...

    def is_stuck(self, seconds: float) -> bool:
        """Return whether every slot has been running the same task for longer than this."""
        ...

    def read_usage(self) -> dict[int, Usage]:
        """Return the resource usage of its processes on this machine, by process number."""
        ...

    def submit(self, batch: Batch) -> None:
        """Accept a batch. Raises ValueError if its key is already in use."""
        ...

    def attach(self, loop: AbstractEventLoop, on_news: Callable[[], object]) -> None:
        """Work in an event loop. ``on_news`` is called there when there may be events to take."""
        ...

    def detach(self) -> None:
        """Stop calling ``on_news``."""
        ...

    def take_events(self) -> list[Event]:
        """Take the events that have arrived, without waiting, and continue to work. Raises
        HeadraceError if it is no use to continue.
        """
        ...

    def take_lines(self) -> list[TaskLine]:
        """Take the lines that tasks have printed or logged. They are here before the events of
        their outcomes.
        """
        ...

    def list_progress(self) -> list[Progress]:
        """Return the progress of the running tasks that report it."""
        ...

    def list_running(self, most: int) -> list[RunningTask]:
        """Return the running tasks, or this many of those that have been running longest."""
        ...

    def cancel(self, job: str) -> None:
        """Forget a job: it has no further events, except for lines that it logs."""
        ...

    def cancel_task(self, job: str, index: int) -> None:
        """Stop one task, as far as possible. If it has not started, it is returned."""
        ...

    def hand_back(self, keep: int = 0) -> list[ReturnedSpan]:
        """Hand back every task that has not started, or those behind the first ``keep`` of them.
        Running tasks are not affected.
        """
        ...

    def close(self, *, kill: bool = False, call_off: bool = False) -> list[ReturnedSpan]:
        """End everything, at once if ``kill``, and return the remaining tasks. If ``call_off``,
        only tasks that ask whether they are cancelled have some time in which to end.
        """
        ...
