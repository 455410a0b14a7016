"""Jobs, results and texts that no service of ours has made, as those see them who only look."""

from __future__ import annotations

import io
from typing import Any
from unittest.mock import Mock

import msgpack
import pytest

from headrace.cli import dead
from headrace.cli.log_lines import format_line
from headrace.cli.printing import say, say_json, tell
from headrace.cli.show import describe_status, format_table, show_status
from headrace.job import Job
from headrace_services.service import Target
from headrace_wire.errors import OutputError, UsageError
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.logs import LogLine
from support.wire_messages import make_message

HOSTILE = "\x1b]0;pwned\x07\x1b[2J\nfake\r\x9b31m\u202e\u2028\udcff\x00"


def pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


@pytest.mark.parametrize(
    "parameters",
    [b"", b"\xc1", b"\x01", b"\x80", b"\x91" * 5000, pack("text"), pack([1]), pack(None),
     pack({"start": [1], "stop": "x"})],
)  # fmt: skip
@pytest.mark.parametrize(
    ("service", "operation"),
    [("primes", "count"), ("primes", "find"), ("primes", "test"), ("images", "blur")],
)
def test_parameters_that_make_no_sense_are_one_line(
    service: str, operation: str, parameters: bytes
) -> None:
    status = make_message(
        JobStatus, id="job", service=service, operation=operation, parameters=parameters
    )
    job = Job(Mock(), status)
    with pytest.raises((OutputError, UsageError), match=r"of job job|not submitted from here"):
        job.gather(iter([(0, b"value")]), Target(io.BytesIO(), None, None))


@pytest.mark.parametrize("value", [b"", b"\xc1", b"\x01", pack({"a": 1}), b"\x91" * 5000])
def test_values_that_make_no_sense_are_one_line(value: bytes) -> None:
    parameters = pack({"start": 0, "stop": 100, "span": 10})
    status = make_message(
        JobStatus, id="job", service="primes", operation="count", parameters=parameters
    )
    with pytest.raises(OutputError, match="the results of job job cannot be put together"):
        Job(Mock(), status).gather(iter([(0, value)]), Target(io.BytesIO(), None, None))


def test_nothing_that_others_named_reaches_the_terminal_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = make_message(
        JobStatus, id=HOSTILE, name=HOSTILE, service=HOSTILE, operation=HOSTILE,
        waiting_for=HOSTILE, ended_because=HOSTILE, counters={HOSTILE: float("nan")},
    )  # fmt: skip
    texts = dict.fromkeys(
        ("reason", "signal", "error_type", "message", "traceback", "summary", "worker"), HOSTILE
    )
    say(format_line(LogLine(1.0, HOSTILE, HOSTILE, 0, HOSTILE)))
    for word, value in describe_status(status):
        say(f"{word}: {value}")
    say_json(show_status(status))
    tell(HOSTILE)
    lines = dead.describe_dead(make_message(TaskFailure, **texts))
    lines += format_table(["A", "B"], [[HOSTILE, HOSTILE]]).split("\n")
    printed = capsys.readouterr()
    lines += [*printed.out.split("\n"), *printed.err.split("\n")]
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("fake") for line in lines)
    assert "NaN" not in printed.out
