"""Prometheus metrics of events in the queue.

The queue does not use this module. Names begin with ``headrace_`` and have base units. Labels never
contain the id of a job or task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.monitoring.key_metrics import KeyCollector
from headrace_coordinator.monitoring.page_metrics import PageMetrics
from headrace_coordinator.monitoring.queue_metrics import QueueCollector
from headrace_coordinator.monitoring.series import MAX_SERIES, Series
from headrace_coordinator.monitoring.worker_samples import SampleBook
from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_coordinator.serving.shared_objects import SharedObjects
from headrace_wire.messages.jobs import DATA_SERVICE, JobStatus
from headrace_wire.messages.reports import Sample
from headrace_wire.refusal_log import REASONS

log = logging.getLogger(__name__)

#: Upper bounds of the store's commit times, in seconds.
COMMIT_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

#: Upper bounds of the time from a job's submission to its end, in seconds.
JOB_BOUNDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0, 604800.0)

#: How a worker disconnects.
LEFT = "left"
SILENT = "silent"

#: Upper bounds of the time that tasks waited before they were leased, in seconds.
WAIT_BOUNDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 1800.0)

# Otherwise each counter would have a second series with the time at which it was created.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library's


class CoordinatorMetrics:
    """Listens to a ledger's events. A scrape reads ``registry``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._samples = SampleBook()
        self._tasks = self._count_by(
            "headrace_tasks",
            "Tasks with an accepted outcome.",
            ("service", "operation", "outcome"),
        )
        self._failed_attempts = self._count_by(
            "headrace_failed_attempts",
            "Attempts that failed, whether tried again or not.",
            ("service", "operation", "reason"),
        )
        self._retries = self._count_by(
            "headrace_retries",
            "Attempts that are made again, as one failed or its worker was lost.",
            ("service", "operation"),
        )
        self._finished_jobs = self._count_by(
            "headrace_jobs_finished",
            "Jobs that ended, by the state in which they did.",
            ("service", "operation", "state"),
        )
        self._job_seconds = Series(
            Histogram(
                "headrace_job_seconds",
                "Time from a job's submission to its end.",
                ("service", "operation"),
                buckets=JOB_BOUNDS,
                registry=self.registry,
            )
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
        self._user_counts = self._count_by(
            "headrace_user_counts",
            "What tasks' own counters grew by.",
            ("service", "operation", "name"),
        )
        self._has_left_out = False
        self._expirations = self._count_by(
            "headrace_lease_expirations",
            "Leases taken back from workers that fell silent.",
            ("service",),
        )
        self._gone = Counter(
            "headrace_workers_gone",
            "Workers that are no longer connected: they left, or fell silent.",
            ("how",),
            registry=self.registry,
        )
        for how in (LEFT, SILENT):
            self._gone.labels(how)  # so that the first one is an increase
        self._dropped = self._count(
            "headrace_outcomes_dropped", "Outcomes that came for tasks which had one already."
        )
        self._expired_jobs = self._count(
            "headrace_jobs_expired",
            "Jobs that were forgotten because nobody fetched from them for so long.",
        )
        self._expired_bytes = self._count(
            "headrace_results_expired_bytes", "Bytes of results that were forgotten with them."
        )
        self._commit_seconds = Histogram(
            "headrace_store_commit_seconds",
            "How long a commit of the store took.",
            buckets=COMMIT_BOUNDS,
            registry=self.registry,
        )
        self._received = self._count(
            "headrace_received_bytes", "Bytes received from clients and workers."
        )
        self._sent = self._count("headrace_sent_bytes", "Bytes sent to clients and workers.")
        self._refused = Counter(
            "headrace_connections_refused",
            "Connections that were refused, or closed to make room for others.",
            ("reason",),
            registry=self.registry,
        )
        for reason in REASONS:
            self._refused.labels(reason)  # so that the first one is an increase
        #: Counters of the page and the JSON API.
        self.page = PageMetrics(self.registry)

    def watch(self, ledger: Ledger, shared: SharedObjects) -> None:
        ledger.listen(self.note_events)
        self.registry.register(QueueCollector(ledger, shared, self._samples))

    def watch_keys(self, key_file: Path, certificates: Mapping[str, bytes]) -> None:
        """Add metrics of keys, and of ``certificates`` in DER that a user has to renew, by their
        purpose.
        """
        self.registry.register(KeyCollector(key_file, certificates))

    def watch_connections(self, count: Callable[[], Mapping[str, int]]) -> None:
        gauge = Gauge(
            "headrace_connections",
            "Connections: in their handshake, or with a key that has been proven.",
            ("state",),
            registry=self.registry,
        )
        for state in count():
            gauge.labels(state).set_function(partial(_read, count, state))

    def note_commit(self, seconds: float) -> None:
        self._commit_seconds.observe(seconds)

    def note_bytes(self, received: int, sent: int) -> None:
        self._received.inc(received)
        self._sent.inc(sent)

    def note_refusal(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def note_samples(self, worker: str, number: int, samples: Sequence[Sample]) -> None:
        self._samples.add(worker, number, samples)

    def note_events(self, happened: Sequence[Event]) -> None:
        """Count events."""
        for event in happened:
            match event:
                case events.SpanDone(service=service, operation=operation):
                    self._tasks.at(service, operation, "done").inc(event.stop - event.start)
                case events.TaskDead(service=service, operation=operation):
                    self._tasks.at(service, operation, "failed").inc()
                case events.AttemptFailed(service=service, operation=operation):
                    self._failed_attempts.at(service, operation, event.reason).inc()
                case events.LeaseGranted(service=service, operation=operation):
                    waited_seconds = max(0.0, event.waited_seconds)
                    self._queue_wait.at(service, operation).observe(waited_seconds)
                case events.AttemptsCounted(service=service, operation=operation):
                    self._retries.at(service, operation).inc(event.stop - event.start)
                case events.JobEnded():
                    self._count_job(event.status)
                case events.WorkerGone():
                    self._gone.labels(SILENT if event.silent else LEFT).inc()
                case events.LeaseExpired():
                    self._expirations.at(event.service).inc()
                case events.JobExpired():
                    self._expired_jobs.inc()
                    self._expired_bytes.inc(event.result_bytes)
                case events.Counted():
                    self._add_user_counts(event)
                case events.OutcomesDropped():
                    self._dropped.inc(event.tasks)
                case _:
                    pass  # for the store and for waiting calls

    def _count_job(self, status: JobStatus) -> None:
        if status.service == DATA_SERVICE:
            return  # it is part of another one
        self._finished_jobs.at(status.service, status.operation, status.state).inc()
        if status.wall_seconds is not None:
            self._job_seconds.at(status.service, status.operation).observe(status.wall_seconds)

    def _add_user_counts(self, event: events.Counted) -> None:
        for name, amount in event.growth.items():
            counter = self._user_counts.find(event.service, event.operation, name)
            if counter:
                counter.inc(amount)
            elif not self._has_left_out:
                self._has_left_out = True
                log.warning(
                    "tasks count under more than %d names: %r and later ones are not exported",
                    MAX_SERIES, name,
                )  # fmt: skip

    def _count(self, name: str, text: str) -> Counter:
        return Counter(name, text, registry=self.registry)

    def _count_by(self, name: str, text: str, labels: Sequence[str]) -> Series[Counter]:
        return Series(Counter(name, text, labels, registry=self.registry))


def _read(count: Callable[[], Mapping[str, int]], state: str) -> float:
    return count()[state]
