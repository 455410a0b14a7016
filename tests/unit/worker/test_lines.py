"""Log lines on their way to the coordinator."""

from __future__ import annotations

from headrace_worker.lines import (
    LINES_AT_ONCE,
    LINES_PAUSED_FOR,
    LINES_PER_SECOND,
    WAITING_BYTES,
    WAITING_LINES,
    LineBox,
)
from headrace_worker.link.messages import TaskLine


def make_lines(job: str, count: int, text: str = "text") -> list[TaskLine]:
    return [TaskLine(job, index, 2, 1.0, "info", text) for index in range(count)]


def test_lines_are_taken_once_by_job_in_their_order() -> None:
    box = LineBox("w")
    box.add([*make_lines("a", 2), *make_lines("b", 1), *make_lines("a", 1)])
    a, b = box.take()
    assert (a.job, [line.index for line in a.lines], a.dropped) == ("a", [0, 1, 0], 0)
    assert (b.job, len(b.lines), b.lines[0].worker) == ("b", 1, "w")
    assert not box
    assert box.take() == ()


def test_the_oldest_lines_are_dropped_and_counted_where_there_are_too_many() -> None:
    box = LineBox("w")
    box.add([*make_lines("a", 3), *make_lines("b", WAITING_LINES)])
    a, b = box.take()
    assert (a.job, a.lines, a.dropped) == ("a", (), 3)
    assert (len(b.lines), b.dropped) == (WAITING_LINES, 0)
    box.add(make_lines("b", 5, "x" * (WAITING_BYTES // 4)))
    (b,) = box.take()
    assert ([line.index for line in b.lines], b.dropped) == ([1, 2, 3, 4], 1)


def test_lines_that_come_too_fast_are_dropped_and_counted() -> None:
    now = 0.0
    box = LineBox("w", lambda: now)
    for _ in range(3):
        box.add(make_lines("a", LINES_AT_ONCE // 2))
        box.take()
    box.add(make_lines("a", 1))
    assert box, "how many were dropped is told, too"
    (a,) = box.take()
    assert (a.lines, a.dropped) == ((), 1)
    now = LINES_PAUSED_FOR / LINES_PER_SECOND
    box.add(make_lines("a", 1))
    assert [line.attempt for line in box.take()[0].lines] == [2]
