from __future__ import annotations

from headrace_worker.pool.line import Held, Line, Stretch
from support.pool_driver import make_batch


def make_held(tasks: int) -> Held:
    return Held(make_batch(tasks=tasks), tasks)


def read(line: Line) -> list[tuple[int, int]]:
    return [(stretch.start, stretch.stop) for stretch in line]


def test_the_head_is_taken_piece_by_piece() -> None:
    line = Line()
    line.append(Stretch(make_held(10), 0, 10))
    assert (line.take(4).stop, line.tasks) == (4, 6)
    assert (len(line.take(100)), line.tasks, line.head) == (6, 0, None)


def test_what_is_put_back_comes_first_and_in_its_order() -> None:
    line, held = Line(), make_held(30)
    line.append(Stretch(held, 20, 30))
    line.put_back([Stretch(held, 3, 5), Stretch(held, 8, 9)])
    assert read(line) == [(3, 5), (8, 9), (20, 30)]
    assert line.tasks == 13


def test_what_is_cancelled_is_not_put_back() -> None:
    line, held, doomed = Line(), make_held(5), make_held(5)
    doomed.cancelled = True
    line.put_back([Stretch(doomed, 0, 5), Stretch(held, 0, 2), Stretch(held, 3, 3)])
    assert read(line) == [(0, 2)]
    assert line.tasks == 2


def test_a_stretch_without_its_middle_is_two() -> None:
    held = make_held(9)
    left = Stretch(held, 0, 9).without(Stretch(held, 4, 5))
    assert [(one.start, one.stop) for one in left] == [(0, 4), (5, 9)]
    assert [(one.start, one.stop) for one in Stretch(held, 4, 6).without(Stretch(held, 4, 5))] == [
        (5, 6)
    ]
    other = Stretch(held, 0, 3)
    assert other.without(Stretch(make_held(9), 1, 2)) == [other]
