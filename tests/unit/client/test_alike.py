"""Failures that are alike have one line."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from headrace.cli import jobs_out
from headrace.cli.alike import LINES_SHOWN, describe_failures, describe_group, group_failures
from headrace_wire.alike import explain_rest
from headrace_wire.messages.failures import CRASH, ERROR, TaskFailure
from headrace_wire.messages.job_views import NO_TIMES, FailureGroup, FailureGroups
from support.queue_builders import Rig
from support.wire_messages import make_message

COMMAND = "headrace dead list j0b"


def fail(index: int, message: str, kind: str = "ValueError", summary: str = "") -> TaskFailure:
    return make_message(
        TaskFailure,
        index=index, reason=ERROR, error_type=kind, message=message, summary=summary, attempt=1,
    )  # fmt: skip


def crash(index: int) -> TaskFailure:
    return make_message(
        TaskFailure, index=index, reason=CRASH, signal="SIGSEGV", message="", summary="", attempt=3
    )


def test_a_thousand_failures_that_are_the_same_have_one_line() -> None:
    failures = [fail(17 + n, "division by zero", "ZeroDivisionError") for n in range(1000)]
    (line,) = describe_failures(failures, 1000, COMMAND)
    assert line == (
        "1,000 tasks failed alike: ZeroDivisionError: division by zero "
        "(first: task 17; all: `headrace dead list j0b`)"
    )


@pytest.mark.parametrize(
    "message", ["{0} is odd", "no shop 'tea{0}'", 'no "a{0}"', "at 0x7f{0:x}", "run({0}): odd"]
)
def test_what_differs_in_a_name_or_a_number_is_alike(message: str) -> None:
    failures = [fail(n, message.format(n), summary=f"run({n})") for n in range(3, 9)]
    (line,) = describe_failures(failures, 6, "")
    assert line.startswith(f"6 tasks failed alike, such as: ValueError: {message.format(3)} (first")


def test_the_first_ones_input_is_named() -> None:
    (line,) = describe_failures([fail(n, "odd", summary=f"run({n})") for n in range(3, 9)], 6, "")
    assert line == "6 tasks failed alike: ValueError: odd (first: task 3, run(3))"


def test_a_name_with_white_space_in_it_is_told_once_and_makes_no_kind() -> None:
    names = [f"my  {word}\npicture" for word in ("red", "blue", "green", "grey")]
    failures = [fail(n, f"{name}: no picture", summary=name) for n, name in enumerate(names)]
    (line,) = describe_failures(failures[:1], 1, "")
    assert line == "ValueError: my red picture: no picture"
    (line,) = describe_failures(failures, 4, "")
    assert line.startswith("4 tasks failed alike, such as: ValueError: my red picture: no picture")


def test_a_few_that_are_alike_are_named_one_by_one() -> None:
    failures = [fail(n, "odd", summary=f"run({n})") for n in range(3)]
    lines = list(describe_failures(failures, 3, COMMAND))
    assert lines == [f"run({n}): ValueError: odd" for n in range(3)]


def test_other_errors_and_reasons_are_told_apart() -> None:
    failures = [
        *(fail(n, "odd") for n in range(10)),
        *(fail(n, "odd", "KeyError") for n in range(10, 20)),
        *map(crash, range(20, 30)),
    ]
    assert [group.count for group in group_failures(failures)] == [10, 10, 10]
    *_, line = describe_failures(failures, 30, COMMAND)
    assert line.startswith("10 tasks failed alike: crash (SIGSEGV) (first: task 20; all: ")


def test_what_is_not_shown_is_counted() -> None:
    words = [chr(ord("a") + n) for n in range(LINES_SHOWN + 5)]
    failures = [fail(n, f"odd {word}") for n, word in enumerate(words)]
    *shown, more = describe_failures(failures, 1000, COMMAND)
    assert len(shown) == LINES_SHOWN
    assert more == f"{1000 - LINES_SHOWN} more; `{COMMAND}` shows them all"


def test_of_how_many_failures_a_group_is_is_said_where_others_were_not_looked_at() -> None:
    many = FailureGroup(ERROR, "ValueError", "odd", "", 62, 3, 99, ("w",))
    assert describe_group(many) == "62 tasks failed alike, such as task 3: ValueError: odd"
    told = "62 of the first 100 failures are alike, such as task 3: ValueError: odd"
    assert describe_group(many, 100) == told
    one = FailureGroup(ERROR, "ValueError", "odd", "", 1, 3, 3, ("w",))
    assert describe_group(one) == "task 3: ValueError: odd"
    assert describe_group(one, 100) == "1 of the first 100 failures: task 3: ValueError: odd"


def test_an_expired_job_says_how_many_of_its_failures_were_looked_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rig = Rig()
    rig.submit("job", 301)
    group = FailureGroup(ERROR, "ValueError", "odd", "", 62, 3, 99, ("w",))
    for failed, told in (
        (163, "62 of the first 100 failures are alike, such as"),
        (100, "62 tasks failed"),
    ):
        status = replace(rig.status(), failed=failed, expired=True)
        found = FailureGroups((group,), 100)
        jobs_out._show_past(status, NO_TIMES, found, as_json=False)
        assert f"failure     {told}" in capsys.readouterr().out
        jobs_out._show_past(status, NO_TIMES, found, as_json=True)
        assert json.loads(capsys.readouterr().out)["failures_looked_at"] == 100
        jobs_out._show_past(status, NO_TIMES, FailureGroups((group,), 100, 3), as_json=False)
        assert "failure     2 more kinds of failures" in capsys.readouterr().out


def test_of_which_failures_there_are_groups_is_said_where_that_is_not_all() -> None:
    group = FailureGroup(ERROR, "ValueError", "odd", "", 62, 3, 99, ("w",))
    assert not explain_rest(FailureGroups((group,), 62, 1), 62)
    assert not explain_rest(FailureGroups((group,), 62), 62), "an older coordinator does not say"
    many = explain_rest(FailureGroups((group,), 10_000, 1), 123_456)
    assert many == "among the first 10,000 of 123,456 failures"
    both = explain_rest(FailureGroups((group, group), 100, 12), 101)
    assert both == "among the first 100 of 101 failures, the 2 most frequent of 12 kinds"
    assert list(FailureGroups((group,), 1)) == [group]
