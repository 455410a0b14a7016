"""Jobs as people see them."""

from __future__ import annotations

import pytest

from headrace.cli.show import describe_progress, format_age
from headrace_wire.messages.jobs import JobStatus
from support.wire_messages import make_message


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s ago"),
        (-5, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7199, "119 min ago"),
        (7200, "2 h ago"),
        (172_800, "2 d ago"),
    ],
)
def test_an_age_is_told_in_the_largest_unit_of_which_there_are_two(
    seconds: float, words: str
) -> None:
    assert format_age(1000.0, 1000.0 + seconds) == words


def test_the_progress_of_a_job_that_is_retried_says_what_waits() -> None:
    status = make_message(
        JobStatus, id="job", state="running", tasks=2000, done=0, failed=1, leased=4, waiting=1995,
        retrying=0, cancelled=0,
    )  # fmt: skip
    assert describe_progress(status) == (
        "job job is running: 0 of 2,000 tasks done, 1 failed, 4 leased, 1,995 waiting"
    )
