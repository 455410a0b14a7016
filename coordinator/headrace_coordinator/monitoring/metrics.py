"""Prometheus metrics: what the queue's events add up to, and how its state stands at a scrape.

The queue knows nothing of this module. Names have the prefix ``headrace_`` and base units; no job
or task id is ever a label.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Sequence

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.monitoring.exposition import (
    MAX_SERIES,
    OTHER,
    Counter,
    Family,
    Histogram,
    Registry,
)
from headrace_coordinator.monitoring.user_counters import UserCounters
from headrace_coordinator.monitoring.worker_samples import SampleBook
from headrace_coordinator.queue.events import (
    AttemptFailed,
    Counted,
    Event,
    JobExpired,
    LeaseExpired,
    LeaseGranted,
    OutcomesDropped,
    RunDone,
    TaskDead,
)
from headrace_coordinator.queue.queue import Queue
from headrace_wire.messages import WorkerStatus
from headrace_wire.version import VERSION

#: Upper bounds of the store's commit times, in seconds.
COMMIT_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

#: Upper bounds of the time that tasks waited before they were leased, in seconds.
WAIT_BOUNDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0)


class CoordinatorMetrics:
    """Listens to a ledger's events; ``registry`` is what a scrape reads."""

    def __init__(self) -> None:
        self.samples = SampleBook()
        self._user_counters = UserCounters()
        self._tasks = Counter(
            "headrace_tasks",
            "Tasks with an accepted outcome.",
            ("service", "operation", "outcome"),
        )
        self._failed_attempts = Counter(
            "headrace_failed_attempts",
            "Attempts that failed, whether tried again or not.",
            ("service", "operation", "reason"),
        )
        self._queue_wait = Histogram(
            "headrace_queue_wait_seconds",
            "How long the oldest waiting task of a job had waited when a lease was granted.",
            WAIT_BOUNDS,
            ("service", "operation"),
        )
        self._expirations = Counter(
            "headrace_lease_expirations",
            "Leases taken back from workers that fell silent.",
            ("service",),
        )
        self._dropped = Counter(
            "headrace_outcomes_dropped",
            "Outcomes that came for tasks which had one already.",
        )
        self._expired_jobs = Counter(
            "headrace_jobs_expired",
            "Jobs that were forgotten because nobody fetched from them for so long.",
        )
        self._expired_bytes = Counter(
            "headrace_results_expired_bytes",
            "Bytes of results that were forgotten with them.",
        )
        self._commit_seconds = Histogram(
            "headrace_store_commit_seconds", "How long a commit of the store took.", COMMIT_BOUNDS
        )
        self._received = Counter(
            "headrace_received_bytes", "Bytes received from clients and workers."
        )
        self._sent = Counter("headrace_sent_bytes", "Bytes sent to clients and workers.")
        self.registry = Registry(
            self._tasks,
            self._failed_attempts,
            self._queue_wait,
            self._expirations,
            self._dropped,
            self._expired_jobs,
            self._expired_bytes,
            self._commit_seconds,
            self._received,
            self._sent,
        )

    def watch(self, ledger: Ledger) -> None:
        """Listen to a ledger, and show its queue at each scrape."""
        ledger.listen(self.note_events)
        self.registry.register(QueueCollector(ledger, self.samples, self._user_counters))

    def note_commit(self, seconds: float) -> None:
        self._commit_seconds.observe(seconds)

    def note_bytes(self, received: int, sent: int) -> None:
        self._received.add(received)
        self._sent.add(sent)

    def note_events(self, events: Sequence[Event]) -> None:
        """Count what happened."""
        done: Tally[tuple[str, str]] = Tally()
        for event in events:
            match event:
                case RunDone():
                    done[event.service, event.operation] += event.stop - event.start
                case TaskDead():
                    self._tasks.add(1, event.service, event.operation, "failed")
                case AttemptFailed():
                    labels = (event.service, event.operation, event.reason)
                    self._failed_attempts.add(1, *labels)
                case LeaseGranted():
                    waited_seconds = max(0.0, event.waited_seconds)
                    self._queue_wait.observe(waited_seconds, event.service, event.operation)
                case LeaseExpired():
                    self._expirations.add(1, event.service)
                case JobExpired():
                    self._expired_jobs.add(1)
                    self._expired_bytes.add(event.result_bytes)
                case Counted():
                    self._user_counters.add(event.service, event.operation, event.growth)
                case OutcomesDropped():
                    self._dropped.add(event.tasks)
                case _:
                    pass  # for the store and for waiting calls
        for (service, operation), tasks in done.items():
            self._tasks.add(tasks, service, operation, "done")


class QueueCollector:
    """Reads the queue's state at each scrape, so that what is gone is reported no more."""

    def __init__(self, ledger: Ledger, samples: SampleBook, counters: UserCounters) -> None:
        self._ledger = ledger
        self._samples = samples
        self._counters = counters

    def collect(self) -> Iterator[Family]:
        families: list[Family] = self._ledger.observe(self._look)
        size = Family("gauge", "headrace_store_bytes", "Bytes of the store on disk.")
        size.add((), self._ledger.store.measure_bytes())
        free = Family("gauge", "headrace_store_free_bytes", "Bytes free on the store's disk.")
        free.add((), self._ledger.store.measure_free())
        good = Family("gauge", "headrace_store_ok", "1 if the store takes new work, 0 if not.")
        good.add((), 0 if self._ledger.problem else 1)
        yield from [*families, size, free, good]
        yield from self._samples.collect()
        yield from self._counters.collect()

    def _look(self, queue: Queue, now: Now) -> list[Family]:
        statuses = queue.leasing.statuses(now)
        self._samples.forget(set(queue.state.members))
        return [
            *_show_jobs(queue, now),
            *_show_workers(statuses),
            *_show_slots(statuses),
        ]


def _show_jobs(queue: Queue, now: Now) -> Iterator[Family]:
    states: Tally[str] = Tally()
    depth: Tally[str] = Tally()
    leased: Tally[str] = Tally()
    oldest: dict[str, float] = {}
    for job in queue.state.jobs.values():
        if job.keeps_data:
            continue  # it is part of another one
        service = job.spec.service
        if service not in depth and len(depth) >= MAX_SERIES:
            service = OTHER
        states[job.state] += 1
        depth[service] += job.waiting + len(job.delayed)
        leased[service] += job.leased
        age = now.monotonic - job.waiting_since if job.is_waiting() else 0.0
        oldest[service] = max(oldest.get(service, 0.0), age)
    yield _gauge("headrace_jobs", "Jobs by state.", "state", states)
    yield _gauge("headrace_queue_depth", "Tasks that wait.", "service", depth)
    yield _gauge(
        "headrace_oldest_waiting_seconds",
        "How long the job that waits longest has had a waiting task.",
        "service",
        oldest,
    )
    yield _gauge("headrace_leased_tasks", "Tasks that workers hold.", "service", leased)
    leases = Family("gauge", "headrace_leases", "Leases that workers hold.")
    leases.add((), len(queue.state.leases))
    yield leases
    spool = Family("gauge", "headrace_spool_bytes", "Bytes of inputs and results that are kept.")
    spool.add((), queue.state.spool_bytes)
    yield spool
    held = Family("gauge", "headrace_spool_full", "1 if work waits for room, 0 if not.")
    held.add((), 1 if queue.spool.held_because else 0)
    yield held
    if queue.rules.spool_limit_bytes is not None:
        limit = Family(
            "gauge",
            "headrace_spool_limit_bytes",
            "Bytes of inputs and results beyond which work waits.",
        )
        limit.add((), queue.rules.spool_limit_bytes)
        yield limit


def _show_workers(statuses: list[WorkerStatus]) -> Iterator[Family]:
    info = Family(
        "gauge", "headrace_info", "The version that the coordinator runs.", labels=("version",)
    )
    info.add((VERSION,), 1)
    workers = Family("gauge", "headrace_workers", "Connected workers.")
    workers.add((), len(statuses))
    tasks = Family(
        "counter", "headrace_worker_tasks", "Tasks by worker.", labels=("worker", "outcome")
    )
    seconds = Family(
        "counter", "headrace_worker_cpu_seconds", "CPU time in slots by worker.", labels=("worker",)
    )
    memory = Family(
        "gauge",
        "headrace_worker_resident_memory_bytes",
        "Resident memory of a worker's agent and slots.",
        labels=("worker",),
    )
    done: Tally[str] = Tally()
    failed: Tally[str] = Tally()
    spent: dict[str, float] = {}
    resident: Tally[str] = Tally()
    for status in statuses:  # two workers may have been given one name
        done[status.name] += status.done
        failed[status.name] += status.failed
        spent[status.name] = spent.get(status.name, 0.0) + status.cpu_seconds
        resident[status.name] += status.rss_bytes
    for name in done:
        tasks.add((name, "done"), done[name])
        tasks.add((name, "failed"), failed[name])
        seconds.add((name,), spent[name])
        memory.add((name,), resident[name])
    yield from (info, workers, tasks, seconds, memory)


def _show_slots(statuses: list[WorkerStatus]) -> Iterator[Family]:
    busy = sum(min(status.busy, status.slots) for status in statuses)
    every = sum(status.slots for status in statuses)
    counts = {"busy": busy, "idle": every - busy}
    yield _gauge("headrace_slots", "Slots of all workers by state.", "state", counts)


def _gauge(name: str, text: str, label: str, values: dict[str, int] | dict[str, float]) -> Family:
    family = Family("gauge", name, text, labels=(label,))
    for key, value in values.items():
        family.add((key,), value)
    return family
