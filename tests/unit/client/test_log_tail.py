"""What a command shows of a job's log while it waits."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from headrace.cli.log_lines import explain_missed
from headrace.cli.log_tail import show_log
from headrace_wire.errors import ClosedError, UnreachableError
from headrace_wire.messages.logs import LogLine, LogPage, LogRequest


class Engine:
    """Has a log of two lines, and says what follows when it may."""

    def __init__(self, then: LogPage | Exception) -> None:
        self.results = self
        self.asked = threading.Event()
        self.may_go_on = threading.Event()
        self._then = then

    def logs(self, request: LogRequest) -> LogPage:
        if not request.cursor:
            lines = tuple(LogLine(1.0, "print", "w", 0, text, 1) for text in ("a", "b"))
            return LogPage(lines, 2, 3, complete=False)
        self.asked.set()
        assert self.may_go_on.wait(30)
        if isinstance(self._then, Exception):
            raise self._then
        return self._then


END = LogPage((LogLine(2.0, "print", "w", 1, "last", 2),), 3, 3, complete=True)


def follow(engine: Any, error: type[BaseException] | None = None) -> None:
    with show_log(engine, "job"):
        assert engine.asked.wait(30)
        if error:
            raise error
        engine.may_go_on.set()


def test_it_is_shown_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    follow(Engine(END))
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.splitlines() == [
        f"headrace: {explain_missed(3)}",
        "1970-01-01T00:00:01.000Z print   w task 0: a",
        "1970-01-01T00:00:01.000Z print   w task 0: b",
        "1970-01-01T00:00:02.000Z print   w task 1 attempt 2: last",
    ]


def test_what_is_missing_is_said_with_the_limit() -> None:
    told = "1 older line is not kept: of a job's lines it is the newest 10,000, or 4 MiB of them"
    assert explain_missed(1) == told


def test_what_was_shown_before_it_was_dropped_is_not_missed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    follow(Engine(msgspec.structs.replace(END, dropped=5)))  # both of the first page among them
    shown = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in shown] == ["3", "print", "print", "print"]
    follow(Engine(msgspec.structs.replace(END, dropped=9)))
    shown = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in shown] == ["3", "print", "print", "4", "print"]


def test_who_is_interrupted_sees_no_more_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine(END)
    with pytest.raises(KeyboardInterrupt):
        follow(engine, KeyboardInterrupt)
    engine.may_go_on.set()
    for thread in threading.enumerate():
        if thread.name == "headrace-log":
            thread.join(30)
    assert "last" not in capsys.readouterr().err


def test_a_log_that_cannot_be_read_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    follow(Engine(UnreachableError("gone")))
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "headrace: the log of job job cannot be read: gone"
    follow(Engine(ClosedError("closed")))
    assert "closed" not in capsys.readouterr().err
