"""Figures, columns and rows of ``headrace top``."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from headrace.cli.figures import format_duration, format_part, format_speed, format_taken
from headrace.cli.top import failure_rows, job_rows, worker_rows
from headrace.cli.top.columns import Column, choose_columns, fit
from headrace.cli.top.job_rows import is_meant
from headrace.cli.top.running_rows import describe_tasks
from headrace.cli.top.speeds import Speeds
from headrace.cli.top.words import draw_bar, draw_curve, fold
from headrace_wire.messages.job_views import FailureGroup
from headrace_wire.messages.jobs import CANCELLED, FAILED, RUNNING, SUCCEEDED, State
from headrace_wire.messages.workers import RunningTask, TaskProgress
from support.queue_builders import Rig


@pytest.mark.parametrize(
    ("per_second", "text"),
    [
        (None, "-"),
        (0.0, "0/s"),
        (12345.6, "12,346/s"),
        (9.96, "10/s"),
        (2.54, "2.5/s"),
        (0.2, "12/min"),
        (0.001, "4/h"),
    ],
)
def test_a_speed_takes_few_characters(per_second: float | None, text: str) -> None:
    assert format_speed(per_second) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.4, "0 s"),
        (59.6, "1:00"),
        (185, "3:05"),
        (7384, "2:03:04"),
        (273600, "3 d 4 h"),
    ],
)
def test_a_duration_takes_few_characters(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0, "0.001 s"), (0.0317, "0.032 s"), (3.21, "3.2 s"), (59.6, "1:00")],
)
def test_what_took_less_than_a_second_did_not_take_none(seconds: float | None, text: str) -> None:
    assert format_taken(seconds) == text


def test_all_is_said_to_be_done_only_when_it_is() -> None:
    assert [format_part(done, 1000) for done in (0, 1, 429, 999, 1000)] == [
        "0 %",
        "<1 %",
        "42 %",
        "99 %",
        "100 %",
    ]
    assert format_part(0, 0) == "-"


def test_a_bar_needs_no_colour() -> None:
    assert draw_bar(1, 2, 10) == "[####....]"
    assert draw_bar(0, 0, 6) == "[....]"
    assert draw_bar(7, 2, 6) == "[####]"


def test_a_curve_shows_what_was_highest() -> None:
    assert draw_curve([0.0, 0.0, 0.1, 1.0, 0.5], 5) == "__.#="
    assert draw_curve([0.0, 0.0, 1.0, 0.0], 2) == "_#"
    assert draw_curve([], 5) == ""


def test_a_speed_is_that_of_the_last_seconds() -> None:
    speeds = Speeds(seconds=10.0)
    for at, count in ((0.0, 0), (5.0, 1000), (10.0, 1010), (15.0, 1020)):
        speeds.note("job", at, count)
    assert speeds.find("job") == 2.0


def test_a_speed_is_known_once_a_count_was_seen_twice() -> None:
    speeds = Speeds()
    assert speeds.find("job") is None
    speeds.note("job", 1.0, 5)
    assert speeds.find("job") is None
    speeds.note("job", 1.5, 6)
    assert speeds.find("job") == 2.0
    speeds.note("job", 2.0, 0)
    assert speeds.find("job") is None, "it began anew"
    speeds.keep(["other"])
    assert speeds.find("job") is None


@pytest.mark.parametrize("width", [20, 60, 79, 80, 100, 132, 300])
@pytest.mark.parametrize("columns", [job_rows.COLUMNS, worker_rows.COLUMNS])
def test_columns_are_left_out_where_there_is_no_room(
    width: int, columns: tuple[Column, ...]
) -> None:
    places = choose_columns(columns, width)
    least = [column.heading for column in columns if column.rank == 0]
    shown = [place.heading for place in places]
    assert [heading for heading in shown if heading in least] == least
    used = sum(place.width + place.gap for place in places)
    assert used == width or shown == least
    if width >= 160:
        assert len(shown) == len(columns)


def test_a_cell_is_as_wide_as_its_column_in_any_script() -> None:
    assert fit("abc", 5) == "abc  "
    assert fit("12", 5, is_number=True) == "   12"
    assert fit("abcdef", 5) == "abcd…"
    assert fit("東京都", 6) == "東京都"
    assert fit("東京都", 5) == "東京…"
    assert fit("東京都", 4) == "東 …"


def test_a_running_task_is_shown_with_how_far_it_is() -> None:
    tasks = (
        RunningTask("job", 7, 1, "mill", 3, 75.0, 2_000_000),
        RunningTask("job", 8, 2, "mill", 4, 1.0, 1_000_000),
    )
    progress = (TaskProgress("job", 7, "mill", 40.0, 100.0), TaskProgress("job", 9, "x", 1.0, None))
    assert [line.split() for line in describe_tasks(tasks, progress)] == [
        ["mill", "slot", "3", "task", "7", "1:15,", "2.0", "MB", "40", "%", "(40", "of", "100)"],
        ["mill", "slot", "4", "task", "8,", "attempt", "2", "1", "s,", "1.0", "MB"],
        ["x", "task", "9:", "1"],
    ]
    (first, _) = describe_tasks(tasks, of_worker=True)
    assert first.split() == ["slot", "3", "job", "job", "task", "7", "1:15,", "2.0", "MB"]


def test_failures_that_are_alike_are_one_row() -> None:
    group = FailureGroup(
        "error", "ValueError", "no shop", "Traceback\n  \x1b[31m", 1200, 3, 4000, ("mill", "b"),
        summary="weigh(3)",
    )  # fmt: skip
    row = failure_rows.make_row(group)
    assert (row["TASKS"], row["FIRST"], row["WORKER"]) == ("1,200", "3", "mill +1")
    assert row["FAILURE"] == "weigh(3): ValueError: no shop"
    title = failure_rows.describe_title(group)
    assert title == "1,200 tasks failed alike, from task 3 to 4000"
    assert "\x1b" not in "\n".join(failure_rows.describe_group(group))


def test_a_job_is_found_by_all_that_names_it() -> None:
    rig = Rig()
    rig.submit("job", 10, name="Nightly Run")
    status = rig.queue.intake.status("job", rig.now)
    for text in ("", "nightly", "RUN primes", "count job", "queued"):
        assert is_meant(status, text), text
    for text in ("weekly", "nightly images"):
        assert not is_meant(status, text), text


def test_a_line_that_is_too_long_is_folded() -> None:
    assert fold("", 40) == [""]
    assert fold("x" * 40, 40) == ["x" * 40]
    assert fold("x" * 100, 40) == ["x" * 40, "    " + "x" * 36, "    " + "x" * 24]
    assert fold("\u6c34" * 30, 40) == ["\u6c34" * 20, "    " + "\u6c34" * 10], (
        "each has two columns"
    )


def test_a_row_says_what_a_job_waits_for() -> None:
    rig = Rig()
    rig.submit("job", 10, name="nightly")
    row = job_rows.make_row(rig.queue.intake.status("job", rig.now))
    assert row["WORK"].startswith("primes count (nightly): ")
    assert row["SPEED"] == row["LEFT"] == "", "nothing runs"


@pytest.mark.parametrize(
    ("state", "tasks", "done", "failed", "cancelled", "part", "filled"),
    [
        (RUNNING, 10, 5, 2, 0, "50 %", 5),
        (CANCELLED, 1, 0, 0, 1, "0 %", 0),
        (FAILED, 10, 0, 10, 0, "0 %", 0),
        (FAILED, 301, 138, 163, 0, "45 %", 4),
        (SUCCEEDED, 10, 10, 0, 0, "100 %", 10),
        (SUCCEEDED, 0, 0, 0, 0, "100 %", 10),
        (CANCELLED, 0, 0, 0, 0, "-", 0),
    ],
)
def test_what_failed_or_was_cancelled_is_not_said_to_be_done(
    state: State, tasks: int, done: int, failed: int, cancelled: int, part: str, filled: int
) -> None:
    rig = Rig()
    rig.submit("job", 10)
    status = replace(
        rig.status(), state=state, tasks=tasks, done=done, failed=failed, cancelled=cancelled
    )
    row = job_rows.make_row(status)
    assert row["DONE"] == part
    assert row["PROGRESS"].count("#") == filled


@pytest.mark.parametrize(
    ("done", "of", "told"), [(8, 12, "66 %"), (2, 3, "66 %"), (999, 1000, "99 %"), (3, 3, "100 %")]
)
def test_a_part_is_rounded_down_as_on_the_page(done: int, of: int, told: str) -> None:
    assert format_part(done, of) == told
