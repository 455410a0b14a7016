"""A log that nobody reads keeps nobody waiting."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator

import pytest

from headrace_wire.log_writer import MOST_LINES, LogWriter

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


def read_until(end: int, last: bytes) -> list[bytes]:
    data = b""
    while last not in data:
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
    log, _ = make_log(pipe[1])
    log.info(LONG)
    assert os.read(pipe[0], 1) == b"x"  # the thread is busy with it from now on
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
