"""Log lines on their way to the coordinator."""

from __future__ import annotations

from headrace_worker.lines import (
    LINES_AT_ONCE,
    LINES_PAUSED_FOR,
    LINES_PER_SECOND,
    TOO_FAST,
    TOO_MANY,
    WAITING_BYTES,
    WAITING_LINES,
    LineBox,
)
from headrace_worker.link.messages import TaskLine


def make_lines(job: str, count: int, text: str = "text") -> list[TaskLine]:
    return [TaskLine(job, index, 2, 1.0, "info", text) for index in range(count)]


def take(box: LineBox) -> dict[str, list[str]]:
    return {one.job: [line.text for line in one.lines] for one in box.take()}


def tell(left_out: str, why: str = TOO_FAST) -> str:
    return f"({left_out} left out: {why})"


def test_lines_are_taken_once_by_job_in_their_order() -> None:
    box = LineBox("w")
    box.add([*make_lines("a", 2), *make_lines("b", 1), *make_lines("a", 1)])
    a, b = box.take()
    assert (a.job, [line.index for line in a.lines]) == ("a", [0, 1, 0])
    assert (b.job, len(b.lines), b.lines[0].worker) == ("b", 1, "w")
    assert not box
    assert box.take() == ()


def test_as_many_as_come_at_once_are_all_taken() -> None:
    box = LineBox("w", lambda: 0.0)
    box.add(make_lines("a", LINES_AT_ONCE))
    assert take(box) == {"a": ["text"] * LINES_AT_ONCE}


def test_the_oldest_are_dropped_where_too_many_wait_and_told_before_the_others() -> None:
    now = 0.0
    box = LineBox("w", lambda: now)
    box.add([*make_lines("a", 3), *make_lines("b", WAITING_LINES - 3)])
    now = 10.0
    box.add(make_lines("b", 4))
    told = take(box)
    assert told["a"] == [tell("3 lines are", TOO_MANY)]
    assert told["b"] == [tell("1 line is", TOO_MANY), *["text"] * WAITING_LINES]
    now = 60.0
    box.add(make_lines("b", 5, "x" * (WAITING_BYTES // 4)))
    (b,) = box.take()
    assert [line.index for line in b.lines] == [0, 1, 2, 3, 4]
    assert b.lines[0].text == tell("1 line is", TOO_MANY)


def test_lines_that_come_too_fast_are_dropped_and_told_in_their_place() -> None:
    now = 0.0
    box = LineBox("w", lambda: now)
    for _ in range(3):
        box.add(make_lines("a", LINES_AT_ONCE // 2))
        if told := take(box):
            assert set(told["a"]) in ({"text"}, {tell("5,000 lines are")})
    box.add([*make_lines("a", 1), *make_lines("b", 1)])
    assert box, "how many were dropped is told, too"
    assert take(box) == {"a": [tell("1 line is")], "b": [tell("1 line is")]}
    box.add(make_lines("a", 7))
    now = LINES_PAUSED_FOR / LINES_PER_SECOND
    box.add(make_lines("a", 1))
    (a,) = box.take()
    assert [line.text for line in a.lines] == [tell("7 lines are"), "text"]
    assert [(line.level, line.attempt) for line in a.lines] == [("warning", 2), ("info", 2)]


def test_what_a_slot_has_left_out_is_told_and_counted_with_the_others() -> None:
    now = 0.0
    box = LineBox("w", lambda: now)
    gap = TaskLine("a", 0, 1, 1.0, "warning", "so many", 5)
    box.add([gap])
    assert take(box) == {"a": ["(5 lines are left out: so many)"]}
    box.add([*make_lines("a", LINES_AT_ONCE), gap])
    assert take(box)["a"][-1] == tell("6 lines are")
