"""The seam between a worker and what runs its tasks.

    leases ─► submit ─► Engine ─► take_events, take_lines ─► reports
    orders ─► cancel, cancel_task, hand_back ─┘

The worker's own pool is one, and the first; ``RemoteEngine`` is one for another cluster.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Protocol

from headrace_wire.messages.reports import ReturnedSpan
from headrace_wire.messages.workers import RunningTask
from headrace_worker.foresight import Times
from headrace_worker.link.messages import Progress, TaskLine
from headrace_worker.machine.processes import Usage
from headrace_worker.pool.batch import Batch, Event
from headrace_worker.pool.tally import Tally


class Engine(Protocol):
    """Runs tasks. Not thread safe, but for ``close``.

    Each task of a batch comes back once as an event, unless its job is cancelled: with an outcome,
    or returned since it was not run to an end here. A task that fails, dies or never ends does no
    harm to any other, as far as the engine can see to that: see ``headrace_wire.engines``.
    """

    @property
    def slots(self) -> int:
        """How many tasks can run at a time just now."""
        ...

    @property
    def busy_slots(self) -> int: ...

    @property
    def idle_slots(self) -> int:
        """How many more tasks are taken that do not wait behind others for longer than it takes to
        bring them where they run.
        """
        ...

    @property
    def outstanding(self) -> frozenset[int]:
        """Keys of the batches that have tasks without an outcome."""
        ...

    @property
    def pending_tasks(self) -> int:
        """How many tasks have not started, and can be handed back."""
        ...

    @property
    def queued_tasks(self) -> int:
        """How many tasks wait behind others."""
        ...

    @property
    def mean_seconds(self) -> float | None:
        """How long tasks took of late; None before any has ended."""
        ...

    @property
    def pending_seconds(self) -> float | None:
        """How long one slot would take for what has not started; None where that is not known."""
        ...

    @property
    def tally(self) -> Tally:
        """What to tell of it in numbers."""
        ...

    @property
    def due_seconds(self) -> float:
        """The monotonic moment by which to take events, whatever comes; infinite for never."""
        ...

    def find_times(self) -> Times | None:
        """How long the tasks take that are here; None where that is not known."""
        ...

    def list_means(self, most: int) -> dict[str, float]:
        """How many seconds a task takes of so many jobs that are here, as far as is known."""
        ...

    def list_left(self) -> list[float]:
        """List in how many seconds each slot may be done with what it runs; 0 for one that idles,
        or for which that is not known.
        """
        ...

    def is_stuck(self, seconds: float) -> bool:
        """Tell whether every slot has been in one task for longer than this."""
        ...

    def read_usage(self) -> dict[int, Usage]:
        """What its processes on this machine take, by their numbers."""
        ...

    def submit(self, batch: Batch) -> None:
        """Take a batch. Raises ValueError for a key that is held already."""
        ...

    def attach(self, loop: AbstractEventLoop, on_news: Callable[[], object]) -> None:
        """Work in an event loop; ``on_news`` is called there when there may be events to take."""
        ...

    def detach(self) -> None:
        """Tell of no more news."""
        ...

    def take_events(self) -> list[Event]:
        """Take what has come, without waiting, and go on. Raises HeadraceError where there is no
        use in going on.
        """
        ...

    def take_lines(self) -> list[TaskLine]:
        """Take what tasks have said; it is there before the events of their outcomes."""
        ...

    def list_progress(self) -> list[Progress]:
        """List how far the running tasks say they are, those that do."""
        ...

    def list_running(self, most: int) -> list[RunningTask]:
        """List the tasks that run, or so many of those that run longest."""
        ...

    def cancel(self, job: str) -> None:
        """Forget a job: nothing comes back of it any more but what it logs."""
        ...

    def cancel_task(self, job: str, index: int) -> None:
        """Stop one task as far as that can be done; if it has not started it is returned."""
        ...

    def hand_back(self) -> list[ReturnedSpan]:
        """Give back every task that has not started; what has started goes on."""
        ...

    def close(self, *, kill: bool = False, call_off: bool = False) -> list[ReturnedSpan]:
        """End everything, at once with ``kill``; returns what is left. With ``call_off`` only tasks
        that ask whether they are cancelled have some time to end in.
        """
        ...
