"""The task that runs here, with a host that takes notes."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import headrace
from headrace_services.task import MAX_TEXT_BYTES, Task, current_task, cut_text, host_tasks


@dataclass
class Host:
    """Hosts one task, or none, and notes what it says."""

    task: Task | None
    said: list[Any] = field(default_factory=list)
    has_log: bool = False

    def find_task(self) -> Task | None:
        return self.task

    def report_progress(self, task: Task, done: float, of: float | None) -> None:
        self.said.append((task.index, done, of))

    def count(self, task: Task, name: str, amount: float) -> None:
        self.said.append((task.index, name, amount))

    def is_cancelled(self, task: Task) -> bool:
        return task.index == 13

    def log(self, task: Task, at: float, level: str, text: str) -> bool:
        assert at > 1e9
        self.said.append((task.index, level, text))
        return self.has_log


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host(Task("job", 17, 2, 1))
    host_tasks(host)
    yield host
    host_tasks(None)


def test_outside_of_a_task_there_is_none(host: Host) -> None:
    host.task = None
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"current_task\(\) was called outside of a task"):
            current_task()
        host_tasks(None)


def test_it_is_found_where_users_look_for_it(host: Host) -> None:
    task = headrace.current_task()
    assert (task.job, task.index, task.attempt) == ("job", 17, 2)
    assert not task.cancelled()
    assert Task("job", 13, 1, 1).cancelled()


def test_what_it_says_reaches_its_host(host: Host) -> None:
    task = current_task()
    task.report_progress(4, 10)
    task.report_progress(5)
    task.counter("found").add()
    task.counter("found").add(0.5)
    assert host.said == [(17, 4, 10), (17, 5, None), (17, "found", 1), (17, "found", 0.5)]


def test_nothing_is_said_when_the_host_has_gone(host: Host) -> None:
    task = current_task()
    host_tasks(None)
    task.report_progress(1, 2)
    task.counter("found").add()
    task.log.warning("nobody hears it")
    assert not task.cancelled()
    assert host.said == []


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), 10**400, "3", None])
def test_numbers_that_make_no_sense_are_refused(host: Host, amount: Any) -> None:
    task = current_task()
    with pytest.raises(ValueError, match="counter 'found' grows by a number from 0 on"):
        task.counter("found").add(amount)
    for wrong in ((amount, 1), (1, "no number" if amount is None else amount)):
        with pytest.raises(ValueError, match="progress is a number from 0 on"):
            task.report_progress(*wrong)
    for name in ("", "x" * 65, "two\nlines", "\x1b[2J", "\udcff", None):
        with pytest.raises(ValueError, match="a counter's name must be"):
            task.counter(name)  # type: ignore[arg-type] # what a user's mistake may be
    assert host.said == []


def test_log_lines_have_a_level_and_a_text(
    host: Host, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    log = current_task().log
    log.debug("too much")
    log.info("%d of %s", 3, "four", extra={"own": 1})
    try:
        raise LookupError("lost")
    except LookupError:
        log.exception("failed")
    assert host.said[0] == (17, "info", "3 of four")
    index, level, text = host.said[1]
    assert (index, level) == (17, "error")
    assert text.startswith("failed\nTraceback")
    assert text.endswith("LookupError: lost")
    assert len(host.said) == 2
    assert capsys.readouterr().err.startswith(
        "INFO task 17: 3 of four\nERROR task 17: failed\n    Traceback"
    )
    assert not caplog.records, "a program's own logging is left alone"
    log.setLevel(logging.DEBUG)
    try:
        log.debug("now it is wanted")
    finally:
        log.setLevel(logging.INFO)
    assert host.said[-1] == (17, "debug", "now it is wanted")


def test_a_line_that_its_host_writes_to_a_log_of_its_own_is_written_once(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    host.has_log = True
    current_task().log.info("once")
    assert host.said == [(17, "info", "once")]
    assert not capsys.readouterr().err


def test_what_a_task_says_is_one_line_of_the_log_and_nothing_that_a_terminal_obeys(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = "a\x1b[31m\nINFO task 1: FAKE"
    log = current_task().log
    log.info(forged)
    try:
        raise ValueError(forged)
    except ValueError:
        log.exception("%s", forged)
    assert host.said[0] == (17, "info", forged)
    lines = capsys.readouterr().err.splitlines()
    shown = r"a\x1b[31m\nINFO task 1: FAKE"
    assert lines[0] == f"INFO task 17: {shown}"
    assert [line for line in lines if not line.startswith("    ")] == [
        lines[0], f"ERROR task 17: {shown}"
    ]  # fmt: skip
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("message", ["bad %d", "bad\nor worse %d"])
def test_what_cannot_be_formatted_is_one_line_that_says_where_it_was_logged(
    host: Host, capsys: pytest.CaptureFixture[str], message: str
) -> None:
    current_task().log.info(message, "x")
    assert not host.said
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{__file__}, line ")
    assert "this cannot be logged: 'bad" in line
    assert "TypeError(" in line


def test_what_cannot_be_formatted_is_not_reported_where_nothing_can_be_shown(
    host: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    current_task().log.info("bad %d", "x")
    assert not capsys.readouterr().err
    monkeypatch.undo()
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    current_task().log.info("bad %d", "x")
    assert not host.said


def test_a_long_text_is_cut_between_characters() -> None:
    assert cut_text("x" * MAX_TEXT_BYTES) == "x" * MAX_TEXT_BYTES
    for text in ("x" * 5000, "é" * 3000, "x" + "é" * 3000, "\udcff" * 3000):
        cut = cut_text(text)
        assert cut.endswith("…")
        assert MAX_TEXT_BYTES - 8 < len(cut.encode()) <= MAX_TEXT_BYTES


def test_a_level_that_a_program_named_oddly_and_a_time_that_is_none_are_mended(host: Host) -> None:
    logging.addLevelName(33, "\x1b[31mLOUD\ud800" + "!" * 100)

    def change(record: logging.LogRecord) -> bool:
        record.created = float("nan")
        return True

    log = current_task().log
    log.logger.addFilter(change)
    try:
        log.log(33, "now")
    finally:
        log.logger.removeFilter(change)
    ((_, level, text),) = host.said
    assert (level, text) == ("?[31mloud?!!!!!!!!!!", "now")
