"""A log that nobody reads keeps nobody waiting."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator

import pytest

from headrace_wire.log_writer import MOST_LINES, LogWriter
from support.commands import wait_until

#: More than a pipe holds.
LONG = "x" * 200_000


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def make_log(descriptor: int) -> tuple[logging.Logger, LogWriter]:
    log = logging.Logger("there", logging.INFO)  # noqa: LOG001 - in no tree
    writer = LogWriter(descriptor)
    log.addHandler(writer)
    return log, writer


def wait_until_written(writer: LogWriter) -> None:
    """Wait until a thread has begun to write all that there is."""
    wait_until(lambda: not writer._lines)
    assert writer._thread


def read_until(end: int, *last: bytes) -> list[bytes]:
    data = b""
    while not all(one in data for one in last):
        data += os.read(end, 1 << 20)
    return data.splitlines()


def test_lines_are_written_in_their_order(pipe: tuple[int, int]) -> None:
    log, writer = make_log(pipe[1])
    for number in range(1000):
        log.info("line %d", number)
    writer.flush()
    assert read_until(pipe[0], b"line 999\n") == [b"line %d" % number for number in range(1000)]


def test_what_is_no_utf_8_is_written_all_the_same(pipe: tuple[int, int]) -> None:
    log, _ = make_log(pipe[1])
    log.info("\udcff")
    assert read_until(pipe[0], b"\n") == [rb"\udcff"]


def test_nobody_waits_while_the_log_is_not_read_and_what_was_dropped_is_counted(
    pipe: tuple[int, int],
) -> None:
    log, writer = make_log(pipe[1])
    log.info(LONG)
    wait_until_written(writer)
    for number in range(MOST_LINES + 3):
        log.info("line %d", number)
    lines: list[bytes] = []
    reader = threading.Thread(target=lambda: lines.extend(read_until(pipe[0], b"were dropped")))
    reader.start()
    reader.join(30)
    dropped = int(lines[-1].split()[0])
    assert dropped == 3
    assert lines[1] == b"line 0"
    assert len(lines) == 1 + MOST_LINES + 1


def test_a_reader_that_has_gone_is_no_fault(capfd: pytest.CaptureFixture[str]) -> None:
    reader, end = os.pipe()
    os.close(reader)
    try:
        log, writer = make_log(end)
        log.info("one")
        writer.flush()
        log.info("two")
        writer.flush()
    finally:
        os.close(end)
    assert capfd.readouterr().err == ""


def test_a_record_that_cannot_be_written_is_told_as_logging_does(
    pipe: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    log, _ = make_log(pipe[1])
    log.info("%d", "no number")
    assert "no number" in capsys.readouterr().err
    log.info("next")
    assert read_until(pipe[0], b"\n") == [b"next"]


def test_while_there_is_room_no_thread_is_made(pipe: tuple[int, int]) -> None:
    log, writer = make_log(pipe[1])
    log.info("one")
    assert writer._thread is None
    assert os.read(pipe[0], 100) == b"one\n"


def test_the_thread_ends_when_all_is_written(pipe: tuple[int, int]) -> None:
    log, writer = make_log(pipe[1])
    log.info(LONG)
    log.info("two")
    assert read_until(pipe[0], b"two\n") == [LONG.encode(), b"two"]
    writer.flush()
    assert writer._thread is None


def test_a_forked_child_writes_its_own_lines_alone(pipe: tuple[int, int]) -> None:
    log, writer = make_log(pipe[1])
    log.info(LONG)
    wait_until_written(writer)
    log.info("the parent's")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        log.info("the child's")
        writer.flush()
        os._exit(0)
    lines = read_until(pipe[0], b"child's\n", b"parent's\n")
    os.waitpid(child, 0)
    writer.flush()
    # In whatever order, and between pieces of the long line.
    text = b"\n".join(lines)
    assert text.count(b"the child's") == text.count(b"the parent's") == 1
    assert text.count(b"x") == len(LONG)


def test_a_log_without_room_for_a_thread_goes_on_when_it_is_read(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, writer = make_log(pipe[1])

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        for number in range(MOST_LINES + 1000):
            log.info("line %d %s", number, LONG[:100])
        assert len(writer._lines) == MOST_LINES
        writer.flush()  # keeps nobody waiting
        os.read(pipe[0], 1 << 20)
        log.info("later")
        assert len(writer._lines) < MOST_LINES
    log.info("last")
    lines = read_until(pipe[0], b"lines of this log were dropped", b"last\n")
    numbers = [int(line.split()[1]) for line in lines if line.startswith(b"line ")]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
