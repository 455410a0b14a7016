"""What a slot's tasks say, on its way to the pool."""

from __future__ import annotations

import time

import pytest

from headrace_services.task import Task
from headrace_worker.link.cell import FINISHED, PREPARING, STARTED, Cell
from headrace_worker.link.messages import Lines, RunPiece, TaskLine
from headrace_worker.slot import task_news
from headrace_worker.slot.task_news import TaskNews

TASK = Task("job", 4, 2, 1)


def make_news() -> tuple[TaskNews, Cell]:
    cell = Cell()
    return TaskNews(cell, lambda: False, lambda: None), cell


def take_texts(news: TaskNews) -> list[str | int]:
    """The texts of lines, or how many are left out in their place."""
    taken = news.take_news(time.monotonic(), outcomes=True)
    lines = [line for one in taken if isinstance(one, Lines) for line in one.lines]
    return [line.left_out or line.text for line in lines]


def test_who_speaks_is_the_task_that_runs_or_is_prepared() -> None:
    news, cell = make_news()
    assert news.find_speaker() is None
    news.begin(RunPiece(1, 0, 11, "job", 3, 100, 110, None, None))
    cell.words[STARTED] = 12
    cell.words[PREPARING] = 1
    assert news.find_task() is None
    assert news.find_speaker() == Task("job", 101, 3, 12)
    cell.words[FINISHED] = 12
    assert news.find_speaker() is None


def test_lines_that_come_too_fast_are_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_news, "LINES_AT_ONCE", 3)
    monkeypatch.setattr(task_news, "LINES_PER_SECOND", 0)
    news, _ = make_news()
    for number in range(10):
        news.keep(TASK, 1.0, "print", f"line {number}")
    taken = news.take_news(time.monotonic(), outcomes=True)
    (lines,) = taken
    assert isinstance(lines, Lines)
    assert lines.lines[0] == TaskLine("job", 4, 2, 1.0, "print", "line 0")
    told = lines.lines[3]
    assert (told.level, told.left_out, told.index) == ("warning", 7, 4)
    assert told.text.startswith("a slot sends 10,000 at once")
    assert len(lines.lines) == 4
    assert not take_texts(news)


def test_of_a_task_that_fails_the_last_lines_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_news, "LINES_AT_ONCE", 2)
    monkeypatch.setattr(task_news, "LINES_PER_SECOND", 0)
    monkeypatch.setattr(task_news, "LATE_LINES", 3)
    news, _ = make_news()
    for number in range(10):
        news.keep(TASK, 1.0, "print", f"line {number}")
    news.note_failed(TASK.number + 1)
    news.note_failed(TASK.number)
    told = ["line 0", "line 1", (5), "line 7", "line 8", "line 9"]
    assert take_texts(news) == told
    news.keep(TASK, 1.0, "print", "one task")
    other = Task("job", 5, 1, 2)
    news.keep(other, 1.0, "print", "another")
    news.note_failed(other.number)
    assert take_texts(news) == [(1), "another"]


def test_lines_that_cannot_leave_are_dropped_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_news, "KEPT_LINES", 2)
    news, _ = make_news()
    for number in range(5):
        news.keep(TASK, 1.0, "print", f"line {number}")
    assert take_texts(news) == ["line 0", "line 1", (3)]
    news.keep(TASK, 1.0, "print", "later")
    assert take_texts(news) == ["later"]


def test_a_line_is_written_to_the_workers_log_where_there_is_one() -> None:
    news, _ = make_news()
    assert news.log(TASK, 1.0, "info", "not shown") is False
    shown: list[str] = []
    news.show = lambda task, at, level, text: shown.append(f"{level} {task.index} {at} {text}")
    assert news.log(TASK, 1.0, "info", "text") is True
    assert shown == ["info 4 1.0 text"]
    assert take_texts(news) == ["not shown", "text"]
