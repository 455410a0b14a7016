"""Metrics of the queue, its store and shared state, read at each scrape."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator
from functools import partial

from prometheus_client.metrics_core import Metric

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.monitoring.families import make_gauge, make_gauges
from headrace_coordinator.monitoring.series import MAX_SERIES, OTHER
from headrace_coordinator.monitoring.worker_metrics import show_workers
from headrace_coordinator.monitoring.worker_samples import SampleBook
from headrace_coordinator.queue.figures import STATES, measure
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.serving.shared_objects import SharedObjects
from headrace_wire.messages.shared import KINDS
from headrace_wire.version import VERSION


class QueueCollector:
    """Reads the state at each scrape, so that objects that no longer exist are not reported."""

    def __init__(self, ledger: Ledger, shared: SharedObjects, samples: SampleBook) -> None:
        self._ledger = ledger
        self._shared = shared
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        for look in (show_jobs, _show_backlog, _show_spool, show_workers, _show_shared):
            families: list[Metric] = self._ledger.observe(partial(_list, look))
            yield from families
        space = self._ledger.store.space
        good = 0 if self._ledger.problem else 1
        yield make_gauge(
            "headrace_store_bytes", "Bytes of the store on disk.", space.measure_bytes()
        )
        yield make_gauge(
            "headrace_store_free_bytes", "Bytes free on the store's disk.", space.measure_free()
        )
        yield make_gauge(
            "headrace_store_disk_bytes", "Bytes of the store's disk.", space.measure_disk()
        )
        yield make_gauge("headrace_store_ok", "1 if the store takes new work, 0 if not.", good)
        yield make_gauges("headrace_build_info", "The version that runs.", "version", {VERSION: 1})
        yield make_gauge(
            "headrace_lock_waiters",
            "Calls that wait for a shared lock.",
            self._shared.count_lock_waiters(),
        )
        yield from self._samples.collect()


def _list(look: Callable[[Queue, Now], Iterator[Metric]], queue: Queue, now: Now) -> list[Metric]:
    return list(look(queue, now))


def show_jobs(queue: Queue, now: Now) -> Iterator[Metric]:
    states: Tally[str] = Tally(dict.fromkeys(STATES, 0))
    depth: Tally[str] = Tally()
    leased: Tally[str] = Tally()
    retrying: Tally[str] = Tally()
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
        retrying[service] += len(job.delayed)
        age = now.monotonic - job.waiting_since if job.waiting else 0.0
        oldest[service] = max(oldest.get(service, 0.0), age)
    yield make_gauges("headrace_jobs", "Jobs by state.", "state", states)
    yield make_gauges("headrace_queue_depth", "Tasks that wait.", "service", depth)
    yield make_gauges(
        "headrace_oldest_waiting_seconds",
        "How long the job that waits longest has had a waiting task.",
        "service",
        oldest,
    )
    yield make_gauges("headrace_leased_tasks", "Tasks that workers hold.", "service", leased)
    yield make_gauges(
        "headrace_retrying_tasks",
        "Tasks that wait until they are tried again; headrace_queue_depth counts them, too.",
        "service",
        retrying,
    )
    yield make_gauge("headrace_leases", "Leases that workers hold.", len(queue.state.leases))


def _show_backlog(queue: Queue, _: Now) -> Iterator[Metric]:
    found = measure(queue.state)
    yield make_gauge(
        "headrace_backlog_seconds",
        "Work that waits or runs and that a connected worker can do, in seconds, divided by the "
        "slots that take work.",
        found.backlog_seconds,
    )
    yield make_gauge(
        "headrace_backlog_tasks",
        "Tasks that wait or run and that a connected worker can do.",
        found.backlog_tasks,
    )


def _show_spool(queue: Queue, _: Now) -> Iterator[Metric]:
    yield make_gauge(
        "headrace_spool_bytes",
        "Bytes of inputs and results that are kept.",
        queue.state.spool_bytes,
    )
    held = 1 if queue.spool.held_because else 0
    yield make_gauge("headrace_spool_full", "1 if work waits for room, 0 if not.", held)
    if queue.rules.spool_limit_bytes is not None:
        yield make_gauge(
            "headrace_spool_limit_bytes",
            "Bytes of inputs and results beyond which work waits.",
            queue.rules.spool_limit_bytes,
        )


def _show_shared(queue: Queue, _: Now) -> Iterator[Metric]:
    counts = Tally(one.kind for one in queue.shared.objects.values())
    kinds = {kind: counts[kind] for kind in KINDS}
    yield make_gauges("headrace_shared_objects", "Shared objects.", "kind", kinds)
    yield make_gauge(
        "headrace_shared_bytes",
        "Bytes that shared objects take in memory.",
        queue.shared.context.size_bytes,
    )
    if queue.rules.shared_limit_bytes is not None:
        yield make_gauge(
            "headrace_shared_limit_bytes",
            "Bytes beyond which shared state takes nothing more.",
            queue.rules.shared_limit_bytes,
        )
