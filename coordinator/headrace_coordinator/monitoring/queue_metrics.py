"""Metrics of the queue, its workers, its store and shared state, read at each scrape."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.monitoring.series import MAX_SERIES, OTHER
from headrace_coordinator.monitoring.worker_samples import SampleBook
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.serving.shared_objects import SharedObjects
from headrace_wire.messages import WorkerStatus
from headrace_wire.shared import KINDS
from headrace_wire.version import VERSION


class QueueCollector:
    """Reads the state at each scrape, so that what is gone is no longer reported."""

    def __init__(self, ledger: Ledger, shared: SharedObjects, samples: SampleBook) -> None:
        self._ledger = ledger
        self._shared = shared
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        for look in (_show_jobs, _show_spool, _show_workers, _show_shared):
            families: list[Metric] = self._ledger.observe(partial(_list, look))
            yield from families
        space = self._ledger.store.space
        good = 0 if self._ledger.problem else 1
        yield _gauge("headrace_store_bytes", "Bytes of the store on disk.", space.measure_bytes())
        yield _gauge(
            "headrace_store_free_bytes", "Bytes free on the store's disk.", space.measure_free()
        )
        yield _gauge("headrace_store_ok", "1 if the store takes new work, 0 if not.", good)
        yield _gauges("headrace_build_info", "The version that runs.", "version", {VERSION: 1})
        yield _gauge(
            "headrace_lock_waiters",
            "Calls that wait for a shared lock.",
            self._shared.count_lock_waiters(),
        )
        yield from self._samples.collect()


def _list(look: Callable[[Queue, Now], Iterator[Metric]], queue: Queue, now: Now) -> list[Metric]:
    return list(look(queue, now))


def _show_jobs(queue: Queue, now: Now) -> Iterator[Metric]:
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
        age = now.monotonic - job.waiting_since if job.waiting else 0.0
        oldest[service] = max(oldest.get(service, 0.0), age)
    yield _gauges("headrace_jobs", "Jobs by state.", "state", states)
    yield _gauges("headrace_queue_depth", "Tasks that wait.", "service", depth)
    yield _gauges(
        "headrace_oldest_waiting_seconds",
        "How long the job that waits longest has had a waiting task.",
        "service",
        oldest,
    )
    yield _gauges("headrace_leased_tasks", "Tasks that workers hold.", "service", leased)
    yield _gauge("headrace_leases", "Leases that workers hold.", len(queue.state.leases))


def _show_spool(queue: Queue, _: Now) -> Iterator[Metric]:
    yield _gauge(
        "headrace_spool_bytes",
        "Bytes of inputs and results that are kept.",
        queue.state.spool_bytes,
    )
    held = 1 if queue.spool.held_because else 0
    yield _gauge("headrace_spool_full", "1 if work waits for room, 0 if not.", held)
    if queue.rules.spool_limit_bytes is not None:
        yield _gauge(
            "headrace_spool_limit_bytes",
            "Bytes of inputs and results beyond which work waits.",
            queue.rules.spool_limit_bytes,
        )


def _show_workers(queue: Queue, now: Now) -> Iterator[Metric]:
    statuses = queue.leasing.statuses(now)
    tasks = CounterMetricFamily(
        "headrace_worker_tasks", "Tasks by worker.", labels=("worker", "outcome")
    )
    seconds = CounterMetricFamily(
        "headrace_worker_cpu_seconds", "CPU time in slots by worker.", labels=("worker",)
    )
    resident: dict[str, int] = {}
    by_name: dict[str, list[WorkerStatus]] = {}
    for status in statuses:  # two workers may have been given one name
        by_name.setdefault(status.name, []).append(status)
    for name, known in by_name.items():
        tasks.add_metric((name, "done"), sum(status.done for status in known))
        tasks.add_metric((name, "failed"), sum(status.failed for status in known))
        seconds.add_metric((name,), sum(status.cpu_seconds for status in known))
        resident[name] = sum(status.rss_bytes for status in known)
    yield _gauge("headrace_workers", "Connected workers.", len(statuses))
    yield tasks
    yield seconds
    yield _gauges(
        "headrace_worker_resident_memory_bytes",
        "Resident memory of a worker's agent and slots.",
        "worker",
        resident,
    )
    busy = sum(min(status.busy, status.slots) for status in statuses)
    idle = sum(status.slots for status in statuses) - busy
    slots = {"busy": busy, "idle": idle}
    yield _gauges("headrace_slots", "Slots of all workers by state.", "state", slots)


def _show_shared(queue: Queue, _: Now) -> Iterator[Metric]:
    counts = Tally(one.kind for one in queue.shared.objects.values())
    kinds = {kind: counts[kind] for kind in KINDS}
    yield _gauges("headrace_shared_objects", "Shared objects.", "kind", kinds)
    yield _gauge(
        "headrace_shared_bytes",
        "Bytes that shared objects take in memory.",
        queue.shared.context.size_bytes,
    )
    if queue.rules.shared_limit_bytes is not None:
        yield _gauge(
            "headrace_shared_limit_bytes",
            "Bytes beyond which shared state takes nothing more.",
            queue.rules.shared_limit_bytes,
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family
