from __future__ import annotations

from headrace_worker.pool.backlog import Backlog, Span
from support.pool_driver import make_batch


def read(backlog: Backlog) -> list[tuple[int, int]]:
    return [(span.start, span.stop) for span in backlog]


def test_the_head_is_taken_piece_by_piece() -> None:
    backlog = Backlog()
    span = Span(make_batch(tasks=10), 0, 10)
    backlog.append(span)
    assert (backlog.take(4, span).stop, backlog.tasks) == (4, 6)
    assert (len(backlog.take(100, span)), backlog.tasks, backlog.head) == (6, 0, None)


def test_what_is_put_back_comes_first_and_in_its_order() -> None:
    backlog, batch = Backlog(), make_batch(tasks=30)
    backlog.append(Span(batch, 20, 30))
    backlog.put_back([Span(batch, 3, 5), Span(batch, 8, 9)])
    assert read(backlog) == [(3, 5), (8, 9), (20, 30)]
    assert backlog.tasks == 13


def test_what_is_behind_the_first_tasks_is_taken_in_its_order() -> None:
    backlog, batch = Backlog(), make_batch(tasks=30)
    for start in (0, 10, 20):
        backlog.append(Span(batch, start, start + 10))
    taken = backlog.take_after(13)
    assert [(one.start, one.stop) for one in taken] == [(13, 20), (20, 30)]
    assert read(backlog) == [(0, 10), (10, 13)]
    assert (backlog.take_after(13), backlog.tasks) == ([], 13)
    assert len(backlog.take_after(0)) == 2
    assert (read(backlog), backlog.tasks) == ([], 0)


def test_what_is_cancelled_is_not_put_back() -> None:
    backlog, batch, doomed = Backlog(), make_batch(tasks=5), make_batch(tasks=5)
    doomed.cancelled = True
    backlog.put_back([Span(doomed, 0, 5), Span(batch, 0, 2), Span(batch, 3, 3)])
    assert read(backlog) == [(0, 2)]
    assert backlog.tasks == 2


def test_a_stretch_without_its_middle_is_two() -> None:
    batch = make_batch(tasks=9)
    left = Span(batch, 0, 9).without(Span(batch, 4, 5))
    assert [(one.start, one.stop) for one in left] == [(0, 4), (5, 9)]
    assert [(one.start, one.stop) for one in Span(batch, 4, 6).without(Span(batch, 4, 5))] == [
        (5, 6)
    ]
    other = Span(batch, 0, 3)
    assert other.without(Span(make_batch(tasks=9), 1, 2)) == [other]
