"""The coordinator: its parts, wired.

    loop thread: server ─► JobQueue, ResultQueue, SharedObjects ─► Ledger ─► Queue, Store
    ticker thread ────────────────────────────────────┘  └─► Bells, metrics ◄─ HTTP threads

Started in the order store, ledger, checkpointer, loop, server, ticker, HTTP. Stopped in this order:
bells, so that calls which wait answer; the server, so that nothing new comes in; loop, ticker,
HTTP, checkpointer, store.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from headrace_coordinator.ledger.checkpointer import Checkpointer
from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.ledger.ticker_alarm import Alarm
from headrace_coordinator.moment import Now
from headrace_coordinator.monitoring.event_log import log_events
from headrace_coordinator.monitoring.unmeasured import Unmeasured
from headrace_coordinator.queue.events import (
    Event,
    InputsDropped,
    JobChanged,
    JobDeleted,
    LinesLogged,
    MomentSet,
    OrdersGiven,
    ResultsDropped,
    RoomAppeared,
    RunDone,
    RunsDelivered,
    WorkAppeared,
    WorkerGone,
    WorkHeld,
)
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving.bells import Bells
from headrace_coordinator.serving.commit import Committer
from headrace_coordinator.serving.job_queue import JobQueue
from headrace_coordinator.serving.result_queue import ResultQueue
from headrace_coordinator.serving.shared_objects import SharedObjects, name_shared_topic
from headrace_coordinator.serving.topics import (
    SPOOL,
    WORK,
    name_job_topic,
    name_log_topic,
    name_orders_topic,
)
from headrace_coordinator.settings import CoordinatorSettings
from headrace_coordinator.shared.events import (
    SharedDeleted,
    SharedItemHeld,
    SharedItemKept,
    SharedItemsDropped,
    SharedKept,
)
from headrace_coordinator.store.backup import INCOMPLETE, STORE_NAME
from headrace_coordinator.store.need import RELIEF
from headrace_coordinator.store.store import Store
from headrace_wire.address import Address
from headrace_wire.errors import StoreError, UsageError
from headrace_wire.heap import give_blocks_back
from headrace_wire.key import ensure_key
from headrace_wire.loop import Loop
from headrace_wire.manager import QueueManager

log = logging.getLogger(__name__)

#: The name of the lock in the data folder.
LOCK_NAME = "lock"

#: Seconds without a commit after which free memory goes back to the system.
QUIET_SECONDS = 2.0

#: Part of the free disk that the spool may take when no limit is set.
SPOOL_SHARE = 0.8

#: Seconds for the loop to end in what it does just now.
STOP_SECONDS = 5.0

#: Seconds from one look after the store to the next, at least.
CARE_SECONDS = 0.25

#: Bounds for the ticker's pause, in seconds: it sleeps until the next deadline within them.
SHORTEST_TICK_SECONDS = 0.005
LONGEST_TICK_SECONDS = 1.0


class Coordinator:
    """A running coordinator, as a context manager: entered it serves, left it has stopped.

    Raises UsageError and StoreError when it cannot serve with these settings.
    """

    def __init__(self, settings: CoordinatorSettings) -> None:
        self._stack = ExitStack()
        try:
            self._lock_data(settings.data)
            key = ensure_key(settings.key_file)
            metrics = _choose_metrics(settings)
            store = Store(settings.data / STORE_NAME, settings.durability)
            self._stack.callback(store.close)
            rules = Rules(
                lease_seconds=settings.lease_seconds,
                result_ttl_seconds=settings.result_ttl_seconds,
                spool_limit_bytes=_choose_spool_limit(settings, store),
                shared_limit_bytes=settings.shared_limit_bytes,
            )
            self._ledger = Ledger(store, rules, metrics.note_commit)
            self._loop = Loop("server")
            self._bells = Bells(self._loop)
            commit = Committer(self._ledger, self._loop)
            self._ledger.listen(self._ring)
            self._ledger.listen(log_events)
            jobs = JobQueue(self._ledger, commit, self._bells, settings.lease_seconds)
            results = ResultQueue(self._ledger, commit, self._bells, metrics.note_samples)
            shared = SharedObjects(self._ledger, commit, self._bells, settings.lease_seconds)
            metrics.watch(self._ledger, shared)
            manager = QueueManager(settings.bind, key)
            self._server = manager.get_server(
                self._loop, jobs, results, shared, on_bytes=metrics.note_bytes
            )
            self._http = metrics.serve(settings.http, self._find_problem, self._find_held)
        except BaseException:
            self._stack.close()
            raise
        self._checkpointer = Checkpointer(self._ledger)
        self._alarm = Alarm(lambda: self._ledger.now().monotonic)
        self._ticker = threading.Thread(target=self._tick, name="ticker", daemon=True)

    @property
    def bound(self) -> Address:
        """Where the queues are served."""
        return self._server.bound

    @property
    def http_bound(self) -> Address | None:
        """Where metrics and health are served."""
        return self._http.bound if self._http else None

    def __enter__(self) -> Self:
        self._ledger.mend()  # a disk that is full is told now
        self._checkpointer.start()
        self._loop.start()
        self._server.start()
        self._ticker.start()
        if self._http:
            self._http.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._alarm.stop()
        self._bells.close()
        self._server.stop()
        self._loop.stop(STOP_SECONDS)
        self._ticker.join(timeout=5)
        if self._http:
            self._http.stop()
        self._checkpointer.stop()
        self._stack.close()

    def _lock_data(self, data: Path) -> None:
        """Keep a second coordinator off the data folder, for as long as this one lives."""
        if (data / INCOMPLETE).exists():
            raise UsageError(f"{data} holds a backup that was not finished: use another one")
        try:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(data / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"cannot use data folder {data}: {error.strerror}") from None
        self._stack.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"another coordinator uses data folder {data}") from None

    def _ring(self, events: Sequence[Event]) -> None:
        topics: dict[str, None] = {}
        forgotten: list[str] = []
        for event in events:
            match event:
                case WorkAppeared():
                    topics[WORK] = None
                case MomentSet():
                    self._alarm.bring_forward(event.moment)
                case OrdersGiven():
                    topics[name_orders_topic(event.worker)] = None
                case JobChanged():
                    topics[name_job_topic(event.job)] = None
                    topics[name_log_topic(event.job)] = None  # it may have ended
                case RunDone() | WorkHeld():
                    topics[name_job_topic(event.job)] = None
                case LinesLogged():
                    topics[name_log_topic(event.job)] = None
                case SharedKept() | SharedItemKept() | SharedItemHeld() | SharedItemsDropped():
                    topics[name_shared_topic(event.name)] = None
                case SharedDeleted():
                    forgotten.append(name_shared_topic(event.name))
                case InputsDropped() | ResultsDropped() | RunsDelivered() | RoomAppeared():
                    topics[SPOOL] = None
                case JobDeleted():
                    topics[SPOOL] = None
                    forgotten += [name_job_topic(event.job), name_log_topic(event.job)]
                case WorkerGone():
                    forgotten.append(name_orders_topic(event.worker))
                case _:
                    pass  # for the store and for metrics
        for topic in topics:
            if topic == WORK:  # each worker that takes some wakes the next
                self._bells.ring_for_one(topic)
            else:
                self._bells.ring(topic)
        for topic in forgotten:
            self._bells.forget(topic)

    def _tick(self) -> None:
        """Let the queue see the time when something is due, or after a second.

        What comes to be due while this waits brings the moment forward: see MomentSet.
        """

        def next_deadline(queue: Queue, _: Now) -> float | None:
            return queue.next_deadline()

        next_tick = earliest = self._ledger.now().monotonic
        next_care = 0.0
        commits, last_commit, heap_used = 0, time.monotonic(), False
        while self._alarm.wait(next_tick, earliest):
            self._alarm.reset()
            if self._ledger.commits != commits:
                commits, last_commit, heap_used = self._ledger.commits, time.monotonic(), True
            elif heap_used and time.monotonic() - last_commit > QUIET_SECONDS:
                heap_used = False
                give_blocks_back()
            try:
                if time.monotonic() >= next_care:
                    next_care = time.monotonic() + CARE_SECONDS
                    self._ledger.compact()
                    self._ledger.mend()
                self._ledger.commit(lambda queue, now: queue.tick(now), RELIEF)
                deadline: float | None = self._ledger.observe(next_deadline)
            except StoreError:
                deadline = None  # the ledger has said so, and /readyz says it
            except Exception:
                log.exception("the ticker failed once")
                deadline = None
            now = self._ledger.now().monotonic
            earliest, next_tick = now + SHORTEST_TICK_SECONDS, now + LONGEST_TICK_SECONDS
            if deadline is not None:
                next_tick = min(deadline, next_tick)

    def _find_problem(self) -> str:
        return self._ledger.problem

    def _find_held(self) -> str:
        held: str = self._ledger.observe(lambda queue, _: queue.spool.held_because)
        return held


def _choose_metrics(settings: CoordinatorSettings) -> Unmeasured:
    if settings.http is None:
        return Unmeasured()
    from headrace_coordinator.monitoring.metrics import CoordinatorMetrics  # noqa: PLC0415 - see Unmeasured

    return CoordinatorMetrics()


def _choose_spool_limit(settings: CoordinatorSettings, store: Store) -> int:
    """The limit that was asked for, or most of what the disk would have free without the store."""
    if settings.spool_limit_bytes is not None:
        return settings.spool_limit_bytes
    return int((store.measure_free() + store.measure_bytes()) * SPOOL_SHARE)
