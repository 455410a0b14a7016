"""Logs for people and for programs."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys

import pytest

from headrace_wire.log_format import (
    JsonFormatter,
    choose_log_format,
    write_local_time,
    write_moment,
)

HOSTILE = "\x1b]0;pwned\x07\x1b[2J a\nb\r\x9b31m\u202e\u2028\udcff\x00\x7f"


def log_as_json(**always: str) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    log = logging.Logger("there", logging.INFO)  # noqa: LOG001 - in no tree
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(**always))
    log.addHandler(handler)
    return log, stream


def test_a_record_has_its_fields_and_nothing_else() -> None:
    log, stream = log_as_json(worker="w")
    log.info("job %s is here", "abc", extra={"job": "abc", "other": object()})
    shown = json.loads(stream.getvalue())
    assert shown.pop("time")[10] == "T"
    assert shown == {
        "level": "info", "message": "job abc is here", "logger": "there", "worker": "w",
        "job": "abc",
    }  # fmt: skip


def test_a_record_is_one_line_whatever_is_in_it() -> None:
    log, stream = log_as_json()
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.exception("failed: %s", HOSTILE, extra={"worker": HOSTILE}, stack_info=True)
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    shown = json.loads(line)
    assert shown["message"] == "failed: " + HOSTILE.replace("\udcff", r"\udcff")
    assert shown["exception"].startswith("Traceback")
    assert shown["stack"].startswith("Stack")


def test_text_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", Terminal())
        assert choose_log_format("auto") == "text"
        assert choose_log_format("json") == "json"
        for nowhere in (io.StringIO(), None):
            patch.setattr(sys, "stderr", nowhere)
            assert choose_log_format("auto") == "json"
        assert choose_log_format("text") == "text"


def test_moments_are_in_utc_for_programs_and_in_local_time_for_people() -> None:
    assert write_moment(1.5) == "1970-01-01T00:00:01.500Z"
    record = logging.LogRecord("there", logging.INFO, "", 0, "text", (), None)
    for _ in range(2):
        record.created, record.msecs = 1.5e9 + 0.25, 250.0
        assert write_local_time(record.created) == logging.Formatter().formatTime(record)


def test_what_python_itself_says_is_a_record_too() -> None:
    program = """
import threading, warnings
from headrace_wire.log_format import start_logging

start_logging("info", "json", worker="w")
warnings.warn("be careful")
thread = threading.Thread(target=lambda: 1 / 0, name="other")
thread.start()
thread.join()
raise LookupError("lost")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    warned, died, ended = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert (warned["level"], warned["worker"]) == ("warning", "w")
    assert "UserWarning: be careful" in warned["message"]
    assert (died["level"], died["message"]) == ("critical", "uncaught in other")
    assert died["exception"].endswith("ZeroDivisionError: division by zero")
    assert ended["message"] == "uncaught in MainThread"
    assert ended["exception"].endswith("LookupError: lost")
