"""The heart: one thread that tells the coordinator that the worker lives, and hears orders.

    heart ─ heartbeat (a long-poll of one interval) ─► coordinator
    agent ◄─ on_cancelled, on_task_cancelled, on_hand_back ─┘

Heartbeats come from the agent, never from a slot. Started by the agent, stopped by ``stop``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from headrace_wire.api import JobQueueApi
from headrace_wire.errors import HeadraceError
from headrace_wire.messages import Heartbeat, TaskProgress
from headrace_worker.condition import Condition
from headrace_worker.holdings import Holdings

log = logging.getLogger(__name__)

#: A heartbeat waits for orders no longer than this, so that what it says of the worker is fresh.
LONGEST_BEAT_SECONDS = 1.0


class Heart:
    """Calls ``on_cancelled``, ``on_task_cancelled``, ``on_hand_back`` and ``on_failure``.

    All of them in its own thread, and so ``register``, when the coordinator does not know the
    worker any more.
    """

    def __init__(
        self,
        jobs: JobQueueApi,
        worker: str,
        name: str,
        *,
        holdings: Holdings,
        condition: Condition,
        register: Callable[[], object],
        on_cancelled: Callable[[str], None],
        on_task_cancelled: Callable[[str, int], None],
        on_hand_back: Callable[[], None],
        on_failure: Callable[[HeadraceError], None],
    ) -> None:
        self._jobs = jobs
        self._worker = worker
        self._name = name
        self._holdings = holdings
        self._condition = condition
        self._register = register
        self._on_cancelled = on_cancelled
        self._on_task_cancelled = on_task_cancelled
        self._on_hand_back = on_hand_back
        self._on_failure = on_failure
        self._orders = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._thread.start()

    def stop(self) -> None:
        """Send no further heartbeat after the one that is under way."""
        self._stop.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._beat()
        except HeadraceError as error:
            self._on_failure(error)
        except Exception as error:
            log.exception("the heart failed")
            self._on_failure(HeadraceError(f"the worker's heart failed: {error!r}"))

    def _beat(self) -> None:
        request, leases = self._holdings.snapshot()
        beat = Heartbeat(
            worker=self._worker,
            request=request,
            leases=leases,
            busy=self._condition.busy,
            rss_bytes=self._condition.rss_bytes,
            draining=self._condition.draining,
            wait_seconds=min(self._interval_seconds, LONGEST_BEAT_SECONDS),
            orders=self._orders,
            progress=tuple(
                TaskProgress(one.job, one.index, self._name, one.done, one.of)
                for one in self._condition.progress
            ),
        )
        orders = self._jobs.heartbeat(beat)
        self._orders = orders.number
        if not orders.known and not self._stop.is_set():
            self._register()
        for job in orders.cancelled_jobs:
            self._on_cancelled(job)
        for task in orders.cancelled_tasks:
            self._on_task_cancelled(task.job, task.index)
        if orders.hand_back:
            self._on_hand_back()
