"""The one line after each job."""

from __future__ import annotations

import pytest

from headrace.cli.summary import summarise
from headrace_wire.messages.jobs import JobStatus
from support.wire_messages import make_message


@pytest.mark.parametrize(
    ("cpu_seconds", "shown"), [(0.0, None), (0.99, None), (1.0, "2.00"), (3.0, "6.00")]
)
def test_the_speed_up_is_told_from_a_second_of_cpu_time_on(
    cpu_seconds: float, shown: str | None
) -> None:
    status = make_message(JobStatus, cpu_seconds=cpu_seconds, cancelled=0)
    line = summarise(status, 0.5, "")
    assert ("speed-up" in line) == (shown is not None)
    assert line.endswith(f"speed-up {shown}" if shown else f"{cpu_seconds:.2f} s CPU in slots")


@pytest.mark.parametrize(
    ("service", "function", "named"),
    [("calls", "shop:double", "calls shop:double: "), ("primes", "", "primes count: ")],
)
def test_a_job_of_calls_is_named_by_its_function(service: str, function: str, named: str) -> None:
    status = make_message(JobStatus, service=service, operation="count", function=function)
    assert summarise(status, 0.5, "").startswith(named)
