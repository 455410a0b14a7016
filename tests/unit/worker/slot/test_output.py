"""What tasks print, line by line, with streams of the test's own."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from operator import methodcaller
from typing import Any, cast

import pytest

from headrace_services.task import Task
from headrace_wire.log_format import LogFormat
from headrace_worker.slot.output import TaskOutput, TaskStream
from headrace_worker.slot.task_news import TaskNews


@dataclass
class News:
    """Notes what is kept for the task that runs."""

    task: Task | None = field(default_factory=lambda: Task("job", 7, 2, 1))
    said: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def find_speaker(self) -> Task | None:
        return self.task

    def keep(self, task: Task, at: float, level: str, text: str) -> None:
        assert task is self.task
        assert at > 1e9
        self.said.append((level, text))


@dataclass
class Rig:
    """Standard output and error of a slot whose worker writes this log."""

    news: News
    output: TaskOutput
    log: io.BytesIO
    out: TaskStream
    err: TaskStream

    def read_log(self) -> list[str]:
        return self.log.getvalue().decode().splitlines()


def make_rig(log_format: LogFormat = "text") -> Rig:
    log = io.BytesIO()
    stream = io.TextIOWrapper(log, "ascii", "backslashreplace", line_buffering=True)
    news = News()
    told: TaskNews = news  # type: ignore[assignment] # as far as it is needed here
    output = TaskOutput(told, stream, log_format, "w")
    return Rig(
        news, output, log, TaskStream(output, stream, "print"), TaskStream(output, stream, "stderr")
    )


@contextlib.contextmanager
def open_rig() -> Generator[Rig]:
    """A rig that has this process's streams, which pytest would take back in a fixture."""
    rig = make_rig()
    with contextlib.redirect_stdout(rig.out), contextlib.redirect_stderr(rig.err):
        yield rig


@contextlib.contextmanager
def open_log() -> Generator[logging.Logger]:
    """A program's own logger, to which nobody else has added a handler."""
    log = logging.Logger("own program", logging.INFO)  # noqa: LOG001 - in no tree
    yield log
    for handler in log.handlers:
        handler.close()


def test_what_is_printed_comes_as_whole_lines() -> None:
    with open_rig() as rig:
        print("one", end="")
        print(" two", "three", sep=",")
        print("four\nfive\n", end="")
        sys.stderr.writelines(["six\n", "sev"])
        print("é \x1b[2J")
        assert rig.news.said == [
            ("print", "one two,three"), ("print", "four"), ("print", "five"), ("stderr", "six"),
            ("print", "é \x1b[2J"),
        ]  # fmt: skip
        assert rig.output.held
        rig.output.end_task()
        assert rig.news.said[-1] == ("stderr", "sev")
        assert not rig.output.held


def test_the_workers_log_says_whose_each_line_is() -> None:
    with open_rig() as rig:
        print("hello \x1b[2J")
        rig.news.task = Task("job", 8, 1, 2)
        print("first attempt", file=sys.stderr)
        rig.news.task = None
        print("between tasks")
        first, second, third = (line.split(maxsplit=2)[2] for line in rig.read_log())
        assert first == r"PRINT   job job task 7 attempt 2: hello \x1b[2J"
        assert second == "STDERR  job job task 8: first attempt"
        assert third == "PRINT   between tasks"


def test_for_programs_the_workers_log_has_fields() -> None:
    rig = make_rig("json")
    rig.out.write("näive \udcff\n")
    (line,) = rig.read_log()
    shown = json.loads(line)
    assert shown.pop("time").endswith("Z")
    assert shown == {
        "level": "print", "message": r"näive \udcff", "logger": "task", "worker": "w",
        "job": "job", "task": 7, "attempt": 2,
    }  # fmt: skip


def test_of_a_progress_bar_that_is_drawn_over_and_over_the_last_state_is_kept() -> None:
    with open_rig() as rig:
        for step in range(1000):
            sys.stderr.write(f"\r{step} of 1000")
            sys.stdout.write(f"{step} %\r")
        assert all(len(text) < 20 for text in rig.output.held.values())
        print("\rall", file=sys.stderr)
        print("dos\r")
        assert rig.news.said == [("stderr", "all"), ("print", "dos")]


def test_carriage_returns_at_the_end_of_a_line_are_not_shown() -> None:
    with open_rig() as rig:
        print("10%\r20%\r", end="")
        print("\r")
        print("30%\r40%\r", end="")
        print("\r", end="", file=sys.stderr)
        rig.output.end_task()
        assert rig.news.said == [("print", "20%"), ("print", "40%")]


def test_what_is_written_to_a_buffer_is_in_the_workers_standard_error_as_it_is() -> None:
    with open_rig() as rig:
        sys.stdout.buffer.write(b"raw\xff")
        assert rig.output.held, "so that the slot ends the task here"
        rig.output.end_task()
        assert rig.log.getvalue() == b"raw\xff"
        sys.stderr.buffer.write(bytearray(b"flushed"))
        sys.stderr.flush()
        assert rig.log.getvalue() == b"raw\xffflushed"
        assert rig.news.said == []


def test_the_buffer_stays_open_when_nobody_holds_the_original_stream() -> None:
    log = io.BytesIO()
    rig = make_rig()
    stream = TaskStream(rig.output, io.TextIOWrapper(log, "utf-8"), "print")
    gc.collect()
    stream.buffer.write(b"raw")
    stream.flush()
    assert log.getvalue() == b"raw"


def _drop_a_wrapper(stream: io.TextIOWrapper) -> None:
    io.TextIOWrapper(stream.buffer, "utf-8").write("wrapped")
    gc.collect()


def _drop_a_wrapper_of_what_is_detached(stream: io.TextIOWrapper) -> None:
    io.TextIOWrapper(cast("io.BufferedWriter", stream.detach()), "utf-8").write("wrapped")
    gc.collect()


def _close_what_is_beneath(stream: Any) -> None:
    stream.buffer.close()
    stream.buffer.raw.close()
    stream.buffer.detach().close()


def _leave_with(stream: io.TextIOWrapper) -> None:
    with stream:
        pass


@pytest.mark.parametrize(
    "close",
    [
        methodcaller("close"),
        methodcaller("detach"),
        _leave_with,
        _drop_a_wrapper,
        _drop_a_wrapper_of_what_is_detached,
        _close_what_is_beneath,
    ],
)
def test_a_task_that_closes_a_stream_leaves_it_open_for_the_next(
    close: Callable[[Any], object],
) -> None:
    rig = make_rig()
    for stream in (rig.out, rig.err):
        stream.buffer.write(b"before ")
        close(stream)
        print("after", file=stream, flush=True)
        assert b"before " in rig.log.getvalue()
        stream.buffer.write(b"raw")
        rig.output.end_task()
        assert rig.log.getvalue().endswith(b"raw")
        assert not stream.closed
    assert rig.news.said == [("print", "after"), ("stderr", "after")]


def test_a_line_that_never_ends_is_cut() -> None:
    with open_rig() as rig:
        for _ in range(100):
            sys.stdout.write("x" * 1000)
        (held,) = rig.output.held.values()
        assert len(held) < 5000
        rig.output.end_task()
        ((_, text),) = rig.news.said
        assert text.endswith("x…")


def test_threads_do_not_mix_their_lines() -> None:
    with open_rig() as rig:
        sys.stdout.write("main ")
        other = threading.Thread(target=lambda: print("other"))
        other.start()
        other.join()
        print("thread")
        assert rig.news.said == [("print", "other"), ("print", "main thread")]


def test_records_of_a_program_have_their_level() -> None:
    with open_rig() as rig, open_log() as own_log:
        own_log.addHandler(logging.StreamHandler())
        own_log.addHandler(logging.StreamHandler(sys.stdout))
        own_log.handlers[1].setFormatter(logging.Formatter("%(levelname)s:%(message)s"))
        own_log.info("hello")
        try:
            raise LookupError("lost")
        except LookupError:
            own_log.exception("failed")
        assert rig.news.said[:2] == [("info", "hello"), ("info", "INFO:hello")]
        level, text = rig.news.said[2]
        assert level == "error"
        assert text.startswith("failed\nTraceback")
        assert text.endswith("LookupError: lost")
        told = [line for line in rig.read_log() if not line.startswith("    ")]
        assert len(told) == 4, "a traceback is indented"


def test_warnings_and_records_without_a_handler_are_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_rig() as rig, open_log() as own_log:
        monkeypatch.setattr(logging, "lastResort", logging.lastResort)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            rig.output.catch()
            warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
            own_log.info("too little")
            own_log.warning("look %s", "out")
        (level, text), second = rig.news.said
        assert level == "warning"
        assert ": DeprecationWarning: deprecated\n" in text
        assert second == ("warning", "look out")


def test_a_record_that_cannot_be_formatted_is_one_line_that_names_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_rig() as rig, open_log() as own_log:
        monkeypatch.setattr(logging, "lastResort", logging.lastResort)
        rig.output.catch()
        own_log.warning("bad %d", "x")
        ((level, text),) = rig.news.said
        assert level == "stderr"
        assert text.startswith(f"{__file__}, line ")


def test_a_worker_whose_standard_error_is_gone_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_rig() as rig:

        class Gone(io.BytesIO):
            def write(self, _: object) -> int:
                raise BrokenPipeError

        monkeypatch.setattr(
            rig.output, "_stream", io.TextIOWrapper(Gone(), "utf-8", line_buffering=True)
        )
        print("nobody reads it")
        assert rig.news.said == [("print", "nobody reads it")]


def test_what_is_no_text_is_refused_as_ever() -> None:
    with open_rig() as rig:
        with pytest.raises(TypeError):
            sys.stdout.write(b"bytes")  # type: ignore[arg-type] # a user's mistake
        assert rig.out.encoding == "ascii"
        assert not rig.out.isatty(), "also where the worker's own is a terminal"
