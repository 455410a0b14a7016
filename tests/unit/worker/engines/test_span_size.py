"""How many tasks travel to another cluster together."""

from __future__ import annotations

import pytest

from headrace_worker.engines.span_size import SPAN_BYTES, SPAN_TASKS, choose_tasks, count_room
from headrace_worker.pool.backlog import Span
from headrace_worker.pool.batch import Batch


def make_span(tasks: int, inputs: tuple[bytes, ...] | None = None) -> Span:
    batch = Batch(1, "job", "primes", "count", b"", 0, tasks, inputs=inputs)
    return Span(batch, 0, tasks)


@pytest.mark.parametrize(
    ("mean_seconds", "waiting", "idle", "tasks"),
    [
        (None, 10_000, 1, 1),  # nobody knows how long they take
        (0.3, 10_000, 1, 1),
        (0.01, 10_000, 1, 25),  # a quarter of a second
        (1e-9, 10_000, 1, SPAN_TASKS),
        (0.01, 40, 8, 5),  # each slot that idles has its part
    ],
)
def test_a_span_holds_a_quarter_of_a_second_of_work_at_most(
    mean_seconds: float | None, waiting: int, idle: int, tasks: int
) -> None:
    assert choose_tasks(make_span(10_000), mean_seconds, waiting, idle) == tasks


def test_large_inputs_travel_alone() -> None:
    span = make_span(3, (b"x" * SPAN_BYTES, b"y", b"z"))
    assert choose_tasks(span, 0.001, 3, 1) == 1


def test_short_tasks_have_a_span_that_waits_beside_each_that_runs() -> None:
    assert (count_room(4, 0.1), count_room(4, 2.0), count_room(4, None)) == (8, 4, 4)
