"""What is fetched from a coordinator far away: in pieces, and each outcome once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from headrace.streams import inbox as inbox_module
from headrace.streams.inbox import PLANNED_PIECES, Inbox
from headrace_wire import window
from headrace_wire.batch import pack_batch
from headrace_wire.errors import UnreachableError
from headrace_wire.messages.failures import ERROR, TaskFailure
from headrace_wire.messages.results import Collected, CollectRequest, ResultSpan
from headrace_wire.messages.spans import Span
from headrace_wire.round_trip import FAR_SECONDS

#: Seconds for what must come.
SECONDS = 20.0

#: Values, and how many of them are asked for at a time.
VALUES, TOGETHER = 100, 5

VALUE = bytes(100)


class FarCoordinator:
    """The results of one job, a row for each task, each answer a while later. Before the row with
    the number ``damaged`` an answer ends once.
    """

    def __init__(self, damaged: int = 0) -> None:
        self.rows = 0
        self.damaged = damaged
        self.changed = threading.Condition()
        self.under_way = self.most_under_way = 0
        self.acknowledged: list[Span] = []
        self.failures: list[TaskFailure] = []
        self.final = False
        self.problem: Exception | None = None
        self.jobs: Any = self
        self.results: Any = self

    def info(self) -> None:
        time.sleep(2 * FAR_SECONDS)

    def collect(self, request: CollectRequest) -> Collected:
        with self.changed:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        time.sleep(2 * FAR_SECONDS)
        with self.changed:
            self.under_way -= 1
            if self.problem:
                raise self.problem
            self.acknowledged += request.delivered
            return self._answer(request)

    def _answer(self, request: CollectRequest) -> Collected:
        most = request.max_bytes // len(VALUE)
        is_piece = request.until is not None
        last = request.until if request.until is not None else self.rows
        cursor = min(last, request.cursor + most)
        if request.cursor + 1 < self.damaged <= cursor:
            cursor, self.damaged = self.damaged - 1, 0
        planned = max(cursor, request.planned)
        ends = [*range(planned + most, self.rows, most), self.rows] if planned < self.rows else []
        runs = tuple(
            ResultSpan(index, index + 1, pack_batch([VALUE]))
            for index in range(request.cursor, cursor)
        )
        complete = self.final and not runs and not is_piece
        past = request.failure_cursor
        failures = () if is_piece and not request.pieces else tuple(self.failures[past:])
        return Collected(
            runs, cursor, failures, past + len(failures), complete, tuple(ends[: request.pieces])
        )


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every answer comes soon, however busy the machine is; and no thread is left."""
    monkeypatch.setattr(window, "SOON_SECONDS", SECONDS)
    monkeypatch.setattr(inbox_module, "FETCH_BYTES", TOGETHER * len(VALUE))
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(SECONDS)
        assert not thread.is_alive()


class SilentCoordinator(FarCoordinator):
    """One whose job brings no outcome while it waits for ``waiting_for``."""

    waiting_for = ""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def collect(self, request: CollectRequest) -> Collected:
        self.waits.append(request.wait_seconds)
        return self._answer(request)

    def status(self, job: str) -> SilentCoordinator:
        assert job == "job"
        return self


def make_failure(index: int) -> TaskFailure:
    return TaskFailure(
        lease=1, job="job", index=index, attempt=1, reason=ERROR, signal="",
        error_type="ValueError", message="no", traceback="", summary="", worker="w",
    )  # fmt: skip


def open_inbox(coordinator: FarCoordinator) -> Inbox:
    return Inbox(coordinator, "job", 0.0, None)  # type: ignore[arg-type]


def take(inbox: Inbox) -> list[int]:
    """The tasks that have come, in order of their coming."""
    told = [run.start for collected in inbox.undelivered for run in collected.runs]
    inbox.undelivered.clear()
    return told


def drain(inbox: Inbox) -> list[int]:
    """The tasks that come until no piece is left."""
    inbox.collect(0.0, ahead=True)
    told = take(inbox)
    while inbox.collect_piece():
        told += take(inbox)
    return told


def drain_all(inbox: Inbox) -> list[int]:
    """The tasks that come until none does."""
    told: list[int] = []
    while more := drain(inbox):
        told += more
    return told


def test_pieces_are_fetched_at_the_same_time_and_each_value_comes_once() -> None:
    coordinator = FarCoordinator()
    coordinator.rows = VALUES
    with closing(open_inbox(coordinator)) as inbox:
        told = drain_all(inbox)
        assert sorted(told) == list(range(VALUES))
        assert coordinator.most_under_way > 1
        inbox.collect(0.0, ahead=True)
    acknowledged = sorted((span.start, span.stop) for span in coordinator.acknowledged)
    assert acknowledged == [(index, index + 1) for index in range(VALUES)]


def test_what_comes_meanwhile_is_planned_before_the_last_piece_is_there() -> None:
    coordinator = FarCoordinator()
    coordinator.rows = 3 * TOGETHER
    with closing(open_inbox(coordinator)) as inbox:
        inbox.collect(0.0, ahead=True)  # only now it is known that the coordinator is far
        inbox.collect(0.0, ahead=True)
        coordinator.rows = VALUES
        told = take(inbox)
        while inbox.collect_piece():
            told += take(inbox)
        assert sorted(told) == list(range(VALUES)), "no other request was necessary"


def test_a_failure_comes_while_pieces_keep_coming_and_comes_once() -> None:
    coordinator, failures = FarCoordinator(), list[int]()
    coordinator.rows = 3 * TOGETHER
    with closing(open_inbox(coordinator)) as inbox:
        inbox.collect(0.0, ahead=True)
        inbox.collect(0.0, ahead=True)
        for index in range(2 * PLANNED_PIECES):  # there are always further pieces
            coordinator.rows += 2 * TOGETHER
            if index in {0, PLANNED_PIECES}:
                coordinator.failures.append(make_failure(index))
            assert inbox.collect_piece()
            failures += [one.index for told in inbox.undelivered for one in told.failures]
            inbox.undelivered.clear()
        assert failures == [0, PLANNED_PIECES]
        while inbox.collect_piece():
            pass
        inbox.collect(0.0, ahead=True)
        assert not any(told.failures for told in inbox.undelivered)


def test_a_piece_that_ends_before_a_damaged_value_goes_on_behind_it() -> None:
    coordinator = FarCoordinator(damaged=7 * TOGETHER + 3)
    coordinator.rows = VALUES
    with closing(open_inbox(coordinator)) as inbox:
        assert sorted(drain_all(inbox)) == list(range(VALUES))
    assert not coordinator.damaged


def test_from_a_coordinator_at_hand_nothing_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = FarCoordinator()
    coordinator.rows = VALUES
    monkeypatch.setattr(coordinator, "info", int)
    with closing(open_inbox(coordinator)) as inbox:
        told = drain_all(inbox)
        assert told == list(range(VALUES))
        assert coordinator.most_under_way == 1


def test_who_waits_for_one_outcome_fetches_no_pieces() -> None:
    coordinator = FarCoordinator()
    coordinator.rows = VALUES
    with closing(open_inbox(coordinator)) as inbox:
        for _ in range(VALUES // TOGETHER):
            inbox.collect(0.0)
            assert not inbox.collect_piece()
        told = take(inbox)
        assert all(a + 1 == b for a, b in pairwise(told))
        assert len(told) == VALUES


def test_what_a_piece_raises_is_raised() -> None:
    coordinator = FarCoordinator()
    coordinator.rows = VALUES
    with closing(open_inbox(coordinator)) as inbox:
        drain(inbox)
        inbox.collect(0.0, ahead=True)
        coordinator.problem = UnreachableError("the coordinator is away")
        with pytest.raises(UnreachableError, match="is away"):
            any(not inbox.collect_piece() for _ in range(VALUES))


def test_a_silence_after_the_first_outcome_is_explained_as_soon_as_one_before() -> None:
    coordinator, told = SilentCoordinator(), list[str]()
    with closing(Inbox(coordinator, "job", 0.0, told.append)) as inbox:  # type: ignore[arg-type]
        coordinator.rows = 1
        inbox.collect(20.0)
        assert not told
        coordinator.waiting_for = "the cluster is away"
        for _ in range(5):
            inbox.collect(20.0)
        assert told == ["the cluster is away"] * 5
        coordinator.rows = 2
        inbox.collect(20.0)
        inbox.collect(20.0)
    # It is looked more and more seldom, until there is an outcome again.
    assert coordinator.waits == [3.0, 3.0, 6.0, 12.0, 20.0, 20.0, 20.0, 3.0]
