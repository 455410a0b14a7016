"""Metrics of the connected workers, read at each scrape.

Workers choose their names: those beyond MAX_WORKERS are added up in one series, OTHER.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from headrace_coordinator.moment import Now
from headrace_coordinator.monitoring.families import make_gauge, make_gauges
from headrace_coordinator.monitoring.series import OTHER
from headrace_coordinator.queue.queue import Queue
from headrace_wire.messages.workers import WorkerStatus

#: How many workers have series of their own.
MAX_WORKERS = 1000


def show_workers(queue: Queue, now: Now) -> Iterator[Metric]:
    """Yield the metrics of all workers."""
    statuses = queue.leasing.statuses(now)
    by_name: dict[str, list[WorkerStatus]] = {}
    for status in statuses:  # two workers may have the same name
        name = status.name if status.name in by_name or len(by_name) < MAX_WORKERS else OTHER
        by_name.setdefault(name, []).append(status)
    yield make_gauge("headrace_workers", "Connected workers.", len(statuses))
    draining = sum(status.draining for status in statuses)
    yield make_gauge("headrace_workers_draining", "Workers that take nothing new.", draining)
    busy = sum(_count_busy(status) for status in statuses)
    slots = {"busy": busy, "idle": sum(status.slots for status in statuses) - busy}
    yield make_gauges("headrace_slots", "Slots of all workers by state.", "state", slots)
    yield from _show_work(by_name)
    yield from _show_state(by_name)
    yield _show_info(by_name)


def _show_work(by_name: dict[str, list[WorkerStatus]]) -> Iterator[Metric]:
    tasks = CounterMetricFamily(
        "headrace_worker_tasks", "Tasks by worker.", labels=("worker", "outcome")
    )
    seconds = CounterMetricFamily(
        "headrace_worker_cpu_seconds", "CPU time in slots by worker.", labels=("worker",)
    )
    for name, known in by_name.items():
        tasks.add_metric((name, "done"), sum(status.done for status in known))
        tasks.add_metric((name, "failed"), sum(status.failed for status in known))
        seconds.add_metric((name,), sum(status.cpu_seconds for status in known))
    yield tasks
    yield seconds


def _show_state(by_name: dict[str, list[WorkerStatus]]) -> Iterator[Metric]:
    slots = GaugeMetricFamily(
        "headrace_worker_slots", "Slots of a worker by state.", labels=("worker", "state")
    )
    for name, known in by_name.items():
        busy = sum(_count_busy(status) for status in known)
        slots.add_metric((name, "busy"), busy)
        slots.add_metric((name, "idle"), sum(status.slots for status in known) - busy)
    yield slots
    yield make_gauges(
        "headrace_worker_resident_memory_bytes",
        "Resident memory of a worker's agent and slots.",
        "worker",
        {name: sum(status.rss_bytes for status in known) for name, known in by_name.items()},
    )
    yield make_gauges(
        "headrace_worker_heard_seconds",
        "How long ago the coordinator last heard of a worker.",
        "worker",
        {name: max(status.heard_seconds for status in known) for name, known in by_name.items()},
    )


def _show_info(by_name: dict[str, list[WorkerStatus]]) -> Metric:
    family = GaugeMetricFamily(
        "headrace_worker_info",
        "Host, versions and engine of a worker; always 1.",
        labels=("worker", "host", "version", "python", "engine"),
    )
    shown = [status for name, known in by_name.items() for status in known if status.name == name]
    shown_labels = [(one.name, one.host, one.version, one.python, one.engine) for one in shown]
    for labels in dict.fromkeys(shown_labels):
        family.add_metric(labels, 1)
    return family


def _count_busy(status: WorkerStatus) -> int:
    return min(status.busy, status.slots)
