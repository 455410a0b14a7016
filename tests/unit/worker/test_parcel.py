from __future__ import annotations

from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.logs import JobLines, LogLine
from headrace_wire.messages.reports import DoneSpan, ReturnedSpan, Sample
from headrace_worker.parcel import Item, Parcel, substitute

RETURNED = ReturnedSpan(1, "job", 0, 5)


def make_run(tasks: int, counters: dict[str, float] | None = None) -> DoneSpan:
    values = pack_batch([b"%d" % index for index in range(tasks)])
    return DoneSpan(1, "job", 0, tasks, values, 1.0, 2.0, counters or {})


def list_parts(parcel: Parcel) -> list[Parcel]:
    """Divide it as far as it goes."""
    parts = parcel.split()
    return [found for part in parts for found in list_parts(part)] if parts else [parcel]


def test_log_lines_go_before_outcomes_and_metrics_after_them() -> None:
    logs = (JobLines("job", (LogLine(1.0, "info", "w", 0, "text"),)),)
    items: list[Item] = [*logs, RETURNED, Sample("n", (), 1.0)]
    assert [part.items for part in list_parts(Parcel(items))] == [[item] for item in items]


def test_a_run_is_divided_down_to_its_tasks() -> None:
    parts = list_parts(Parcel([RETURNED, make_run(5, {"n": 3.0})]))
    runs = [event for part in parts for event in part.items if isinstance(event, DoneSpan)]
    assert [(run.start, run.stop) for run in runs] == [(at, at + 1) for at in range(5)]
    assert [unpack_batch(run.values) for run in runs] == [[b"%d" % at] for at in range(5)]
    assert [run.counters for run in runs] == [{"n": 3.0}, {}, {}, {}, {}]
    assert round(sum(run.busy_seconds for run in runs), 9) == 2.0
    assert not any(run.durations for run in runs), "nobody knows which task took how long"


def test_lines_and_metrics_are_divided_one_by_one() -> None:
    line = LogLine(1.0, "info", "w", 0, "text")
    logs = (JobLines("one", (line,) * 3), JobLines("two", (line,)))
    parts = list_parts(Parcel([*logs, Sample("a", (), 1.0), Sample("b", (), 1.0)]))
    found = [item for part in parts for item in part.items]
    lines = [one for one in found if isinstance(one, JobLines)]
    assert [len(one.lines) for one in lines] == [1, 1, 1, 1]
    assert [one.name for one in found if isinstance(one, Sample)] == ["a", "b"]


def test_a_value_that_is_refused_is_an_error_of_its_task_that_says_why() -> None:
    failed = substitute(make_run(1), 3, ValueError("too large"))
    assert isinstance(failed, TaskFailure)
    assert (failed.index, failed.attempt, failed.reason) == (0, 3, "error")
    assert "could not be reported: too large" in failed.message


def test_a_failure_that_is_refused_is_told_in_plain_words() -> None:
    failed = substitute(
        TaskFailure(
            1, "job", 4, 2, "crash", "SIGSEGV", "Kind\ud800", "m", "t", "s", "", 1.0, 1.0, b"d"
        ),
        2,
        ValueError("no"),
    )
    assert isinstance(failed, TaskFailure)
    assert (failed.index, failed.reason, failed.signal) == (4, "crash", "SIGSEGV")
    assert (failed.error_type, failed.traceback, failed.detail) == ("Kind?", "", b"")


def test_nothing_goes_in_place_of_what_is_handed_back() -> None:
    assert substitute(RETURNED, 1, ValueError("no")) is None
