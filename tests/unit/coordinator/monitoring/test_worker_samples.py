"""Samples from workers, merged."""

from __future__ import annotations

from headrace_coordinator.monitoring.worker_samples import SampleBook
from headrace_wire.messages.reports import Sample
from headrace_wire.samples import TASK_SECONDS, TASK_SECONDS_BOUNDS

LABELS = ("service", "primes", "operation", "count")


def read(book: SampleBook) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in book.collect()
        for sample in family.samples
    }


def make_histogram(place: int, seconds: float) -> Sample:
    buckets = [0] * (len(TASK_SECONDS_BOUNDS) + 1)
    buckets[place] = 1
    return Sample(TASK_SECONDS.name, LABELS, seconds, tuple(buckets))


def test_growth_from_several_workers_adds_up() -> None:
    book = SampleBook()
    book.add("a", 1, [make_histogram(0, 0.0005)])
    book.add("b", 1, [make_histogram(-1, 4000.0)])
    values = read(book)
    assert values["headrace_task_seconds_count", ""] == 2
    assert values["headrace_task_seconds_sum", ""] == 4000.0005
    assert values["headrace_task_seconds_bucket", "0.001"] == 1
    assert values["headrace_task_seconds_bucket", "1800.0"] == 1
    assert values["headrace_task_seconds_bucket", "+Inf"] == 2


def test_the_same_report_twice_counts_once() -> None:
    book = SampleBook()
    for _ in range(2):
        book.add("a", 1, [Sample("headrace_cpu_seconds", LABELS, 2.0)])
    assert read(book)["headrace_cpu_seconds_total", ""] == 2.0


def test_reports_count_once_in_whatever_order_they_come() -> None:
    book = SampleBook()
    for number in (2, 1, 5, 3, 5, 2, 4, 1, 300, 299, 299, 6):
        book.add("a", number, [Sample("headrace_cpu_seconds", LABELS, 1.0)])
    # 6 is too long ago for it to be known whether it came before.
    assert read(book)["headrace_cpu_seconds_total", ""] == 7.0


def test_unknown_metrics_and_shapes_are_passed_over() -> None:
    book = SampleBook()
    book.add("a", 1, [
        Sample("anything", LABELS, 1.0),
        Sample("headrace_cpu_seconds", ("job", "1"), 1.0),
        Sample("headrace_cpu_seconds", LABELS, 1.0, (1, 2)),
        Sample("headrace_task_seconds", LABELS, 1.0, (1,)),
    ])  # fmt: skip
    assert read(book) == {}
