"""Prometheus metrics: what the queue's events add up to.

The queue knows nothing of this module. Names have the prefix ``headrace_`` and base units; no job
or task id is ever a label.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.monitoring.http import HttpServer
from headrace_coordinator.monitoring.queue_metrics import QueueCollector
from headrace_coordinator.monitoring.series import Series
from headrace_coordinator.monitoring.shared_metrics import SharedCollector
from headrace_coordinator.monitoring.unmeasured import Unmeasured
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
from headrace_coordinator.serving.shared_objects import SharedObjects
from headrace_wire.address import Address
from headrace_wire.messages import Sample

#: Upper bounds of the store's commit times, in seconds.
COMMIT_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

#: Upper bounds of the time that tasks waited before they were leased, in seconds.
WAIT_BOUNDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0)

# A time of creation beside each counter is of no use to a Prometheus that scrapes for minutes.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library's


class CoordinatorMetrics(Unmeasured):
    """Listens to a ledger's events; ``registry`` is what a scrape reads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._samples = SampleBook()
        self._user_counters = UserCounters()
        self._tasks = self._count(
            "headrace_tasks",
            "Tasks with an accepted outcome.",
            ("service", "operation", "outcome"),
        )
        self._failed_attempts = self._count(
            "headrace_failed_attempts",
            "Attempts that failed, whether tried again or not.",
            ("service", "operation", "reason"),
        )
        self._queue_wait = Series(
            Histogram(
                "headrace_queue_wait_seconds",
                "How long the oldest waiting task of a job had waited when a lease was granted.",
                ("service", "operation"),
                buckets=WAIT_BOUNDS,
                registry=self.registry,
            )
        )
        self._expirations = self._count(
            "headrace_lease_expirations",
            "Leases taken back from workers that fell silent.",
            ("service",),
        )
        self._dropped = self._add_up(
            "headrace_outcomes_dropped", "Outcomes that came for tasks which had one already."
        )
        self._expired_jobs = self._add_up(
            "headrace_jobs_expired",
            "Jobs that were forgotten because nobody fetched from them for so long.",
        )
        self._expired_bytes = self._add_up(
            "headrace_results_expired_bytes", "Bytes of results that were forgotten with them."
        )
        self._commit_seconds = Histogram(
            "headrace_store_commit_seconds",
            "How long a commit of the store took.",
            buckets=COMMIT_BOUNDS,
            registry=self.registry,
        )
        self._received = self._add_up(
            "headrace_received_bytes", "Bytes received from clients and workers."
        )
        self._sent = self._add_up("headrace_sent_bytes", "Bytes sent to clients and workers.")

    def watch(self, ledger: Ledger, shared: SharedObjects) -> None:
        ledger.listen(self.note_events)
        self.registry.register(QueueCollector(ledger, self._samples, self._user_counters))
        self.registry.register(SharedCollector(ledger, shared))

    def serve(
        self,
        address: Address | None,
        find_problem: Callable[[], str],
        find_held: Callable[[], str],
    ) -> HttpServer | None:
        if address is None:
            return None
        return HttpServer(address, self.registry, find_problem, find_held)

    def note_commit(self, seconds: float) -> None:
        self._commit_seconds.observe(seconds)

    def note_bytes(self, received: int, sent: int) -> None:
        self._received.inc(received)
        self._sent.inc(sent)

    def note_samples(self, worker: str, number: int, samples: Sequence[Sample]) -> None:
        self._samples.add(worker, number, samples)

    def note_events(self, events: Sequence[Event]) -> None:
        """Count what happened."""
        done: Tally[tuple[str, str]] = Tally()
        for event in events:
            match event:
                case RunDone():
                    done[event.service, event.operation] += event.stop - event.start
                case TaskDead():
                    self._tasks.at(event.service, event.operation, "failed").inc()
                case AttemptFailed():
                    labels = (event.service, event.operation, event.reason)
                    self._failed_attempts.at(*labels).inc()
                case LeaseGranted():
                    waited_seconds = max(0.0, event.waited_seconds)
                    self._queue_wait.at(event.service, event.operation).observe(waited_seconds)
                case LeaseExpired():
                    self._expirations.at(event.service).inc()
                case JobExpired():
                    self._expired_jobs.inc()
                    self._expired_bytes.inc(event.result_bytes)
                case Counted():
                    self._user_counters.add(event.service, event.operation, event.growth)
                case OutcomesDropped():
                    self._dropped.inc(event.tasks)
                case _:
                    pass  # for the store and for waiting calls
        for (service, operation), tasks in done.items():
            self._tasks.at(service, operation, "done").inc(tasks)

    def _add_up(self, name: str, text: str) -> Counter:
        return Counter(name, text, registry=self.registry)

    def _count(self, name: str, text: str, labels: Sequence[str]) -> Series[Counter]:
        return Series(Counter(name, text, labels, registry=self.registry))
