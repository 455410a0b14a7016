"""The agent against a coordinator that answers with what it should not."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from headrace_wire.batch import pack_batch
from headrace_wire.encoding import pack
from headrace_wire.encryption import Encryption
from headrace_wire.errors import HeadraceError, ProtocolError, StoreError, UsageError
from headrace_wire.messages.leases import Grant, Lease, LeaseRequest
from headrace_wire.messages.reports import Receipt, Report
from headrace_wire.messages.workers import Heartbeat, Orders, Registration
from headrace_wire.system.signals import STOP_SIGNALS
from headrace_worker import agent, leaser, reporter
from headrace_worker.agent import Agent
from headrace_worker.launch.choosing import make_launcher
from headrace_worker.launch.start_methods import DEFAULT_METHOD
from headrace_worker.settings import WorkerSettings
from support.wire_server import KEY, PATIENCE_SECONDS, Served, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

PRIMES = pack({"start": 0, "stop": 1000, "span": 100})


class Coordinator:
    """Answers a lease request with the next of ``grants``, and ends the agent when it is told of
    so many tasks; ``refuse`` looks at each report first.
    """

    def __init__(self, served: Served, grants: list[Any], tasks: int) -> None:
        self.grants = grants
        self.tasks = tasks
        self.done: dict[tuple[str, int], int] = {}
        self.failed: dict[tuple[str, int], str] = {}
        self.returned: list[tuple[str, int, int]] = []
        self.beats: list[Any] = []
        self.refuse: Callable[[Report], None] = lambda _: None
        served.jobs.answers |= {
            "register": lambda *_: Registration(10.0, 0.1),
            "lease": self.lease,
            "heartbeat": self.heartbeat,
        }
        served.results.answers["report"] = self.report

    def lease(self, request: LeaseRequest) -> Grant:
        del request
        answer = self.grants.pop(0) if self.grants else Grant(())
        if isinstance(answer, Exception):
            raise answer
        return Grant(tuple(answer)) if isinstance(answer, list) else answer

    def heartbeat(self, beat: Heartbeat) -> Orders:
        self.beats.append(beat)
        if len(self.beats) == 1:
            raise HeadraceError("a heartbeat that nobody wants")
        return Orders(known=True, cancelled_jobs=())

    def report(self, report: Report) -> Receipt:
        self.refuse(report)
        for run in report.done:
            for index in range(run.start, run.stop):
                self.done[run.job, index] = self.done.get((run.job, index), 0) + 1
        for failure in report.failures:
            self.failed[failure.job, failure.index] = failure.message
        for back in report.returned:
            self.returned.append((back.job, back.start, back.stop))
            if back.job == "honest":  # as any slow start of a slot may have it
                number = 100 + len(self.returned)
                self.grants.append([make_lease(number, back.job, back.stop, start=back.start)])
        if len(self.done) + len(self.failed) >= self.tasks:
            self.end_agent()
        return Receipt(0, 0)

    def end_agent(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def make_lease(number: int, job: str, tasks: int, *inputs: bytes, **changed: Any) -> Lease:
    fields: dict[str, Any] = {
        "id": number,
        "job": job,
        "service": "primes",
        "operation": "count",
        "parameters": PRIMES,
        "start": 0,
        "stop": tasks,
        "attempt": 1,
        "timeout_seconds": None,
        "inputs": inputs,
    }
    return Lease(**{**fields, **changed})


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as served:
        yield served


@pytest.fixture
def work(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(leaser, "ERROR_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(reporter, "STORE_PAUSE_SECONDS", 0.01)

    def run(**changes: Any) -> None:
        key_file = tmp_path / "key"
        key_file.write_bytes(KEY)
        key_file.chmod(0o600)
        settings = WorkerSettings(
            served.address, key_file, slots="1", drain_seconds=5.0, give_up_seconds=PATIENCE_SECONDS
        )
        settings = replace(settings, **changes)
        Agent(settings, make_launcher(DEFAULT_METHOD)).run()

    return run


def test_a_worker_survives_answers_that_it_did_not_expect(
    served: Served, work: Callable[[], None]
) -> None:
    grants = [
        HeadraceError("KeyError('job')"),
        StoreError("the disk is on fire"),
        ProtocolError("a malformed LeaseRequest arrived"),
        [make_lease(1, "malformed", 2, timeout_seconds="soon")],
        [make_lease(2, "malformed", 2, start=-5)],
        [make_lease(3, "honest", 4)],
    ]
    coordinator = Coordinator(served, grants, 4)
    work()
    assert set(coordinator.done) == {("honest", index) for index in range(4)}
    assert len(coordinator.beats) > 1
    assert not {1, 2} & set(coordinator.beats[-1].leases)


def test_leases_that_make_no_sense_fail_their_tasks_and_the_honest_job_is_done(
    served: Served, work: Callable[[], None]
) -> None:
    grants = [
        [
            make_lease(1, "lying", 3, b"\xdd\x00\x10\x00\x00"),
            make_lease(2, "no bytes", 3, pack([1, "a", None])),
            make_lease(3, "too few", 3, pack_batch([b"one"])),
            make_lease(4, "unknown", 2, parameters=None),
            make_lease(5, "garbage", 2, parameters=b"\xc1"),
            make_lease(6, "half", 4, pack_batch([b"", b""]), pack([1, 2])),
            make_lease(7, "honest", 4),
        ],
    ]
    coordinator = Coordinator(served, grants, 3 + 3 + 3 + 2 + 2 + 4 + 4)
    work()
    assert set(coordinator.done) == {("honest", index) for index in range(4)}
    assert {job for job, _ in coordinator.failed} == {
        "lying", "no bytes", "too few", "unknown", "garbage", "half",
    }  # fmt: skip
    assert [index for job, index in coordinator.failed if job == "half"] == [0, 1, 2, 3]


def test_a_store_that_takes_nothing_for_long_is_told_once(
    served: Served,
    work: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporter, "STORE_PAUSE_SECONDS", 0.01)
    caplog.set_level("INFO")
    refusals = [StoreError(f"the disk is full: {left} bytes are free") for left in range(3)]

    def refuse(report: Report) -> None:
        if report.done and refusals:
            raise refusals.pop()

    coordinator = Coordinator(served, [[make_lease(1, "honest", 1)]], 1)
    coordinator.refuse = refuse
    work()
    said = [record.message for record in caplog.records if "kept" in record.message]
    assert said == [
        "kept 1 outcome: the disk is full: 2 bytes are free", "what was kept is reported"
    ]  # fmt: skip


@pytest.mark.parametrize("is_near", [True, False], ids=["on this machine", "elsewhere"])
def test_a_worker_that_encrypts_nothing_says_so_where_others_can_read_along(
    served: Served,
    work: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_near: bool,
) -> None:
    monkeypatch.setattr(agent, "is_loopback", lambda _: is_near)
    Coordinator(served, [[make_lease(1, "honest", 1)]], 1)
    work(encryption=Encryption("off"))
    said = [one for one in caplog.records if "reads all that they send" in one.message]
    assert [one.levelname for one in said] == ([] if is_near else ["WARNING"])


def test_one_outcome_that_is_refused_costs_its_own_task_alone(
    served: Served, work: Callable[[], None]
) -> None:
    def refuse(report: Report) -> None:
        if any(run.start <= 3 < run.stop for run in report.done):
            raise UsageError("that one never")

    coordinator = Coordinator(served, [[make_lease(1, "honest", 10)]], 10)
    coordinator.refuse = refuse
    work()
    assert coordinator.done == {("honest", index): 1 for index in range(10) if index != 3}
    assert "could not be reported: that one never" in coordinator.failed["honest", 3]


def test_a_worker_that_may_report_nothing_at_all_goes_on_all_the_same(
    served: Served, work: Callable[[], None]
) -> None:
    refused: list[float] = []

    def refuse(report: Report) -> None:
        if any(run.job == "bad" for run in report.done) or any(
            failure.job == "bad" for failure in report.failures
        ):
            refused.append(time.monotonic())
            raise HeadraceError("AttributeError('nothing')")

    grants = [[make_lease(1, "bad", 3)], Grant(()), [make_lease(2, "honest", 3)]]
    coordinator = Coordinator(served, grants, 3)
    coordinator.refuse = refuse
    work()
    assert set(coordinator.done) == {("honest", index) for index in range(3)}
    assert refused


def test_each_loss_of_the_coordinator_is_told_once_and_so_is_its_end(
    served: Served, work: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The network was away, and the coordinator knows the worker all the time."""
    caplog.set_level(logging.INFO, "headrace_worker.agent")
    coordinator = Coordinator(served, [], 1)

    def heartbeat(beat: Heartbeat) -> Orders:
        coordinator.beats.append(beat)
        if len(coordinator.beats) in {3, 6}:
            served.loop.call_soon_threadsafe(cut)
        elif len(coordinator.beats) == 9:
            signal.raise_signal(signal.SIGTERM)
        return Orders(known=True, cancelled_jobs=())

    def cut() -> None:
        for connection in list(served.server._connections):
            connection.cancel()

    served.jobs.answers["heartbeat"] = heartbeat
    work()
    told = [line for line in caplog.messages if "trying for" in line or "answers again" in line]
    assert [line == "the coordinator answers again" for line in told] == [False, True] * 2


def test_a_loss_that_another_connection_notices_later_is_not_told_again(
    served: Served, work: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "headrace_worker.agent")
    coordinator = Coordinator(served, [], 1)
    others: set[asyncio.Task[None]] = set()

    def heartbeat(beat: Heartbeat) -> Orders:
        coordinator.beats.append(beat)
        if len(coordinator.beats) == 3:
            mine = asyncio.current_task()
            assert mine
            others.update(served.server._connections)
            others.discard(mine)
            served.loop.call_soon_threadsafe(mine.cancel)
        elif len(coordinator.beats) == 5:
            assert others, "the connection that leases is there"
            for connection in others:
                connection.cancel()
        elif len(coordinator.beats) == 7:
            signal.raise_signal(signal.SIGTERM)
        return Orders(known=True, cancelled_jobs=())

    served.jobs.answers["heartbeat"] = heartbeat
    work()
    told = [line for line in caplog.messages if "trying for" in line or "answers again" in line]
    assert [line == "the coordinator answers again" for line in told] == [False, True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_drains_the_worker(
    served: Served, work: Callable[[], None], number: signal.Signals
) -> None:
    coordinator = Coordinator(served, [[make_lease(1, "honest", 2)]], 2)
    coordinator.end_agent = lambda: signal.raise_signal(number)  # type: ignore[method-assign]
    work()
    assert len(coordinator.done) == 2
    assert any(name == "leave" for name, _ in served.jobs.calls)


def test_the_coordinator_s_word_drains_the_worker_however_often_it_comes(
    served: Served, work: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "headrace_worker.stop_signals")
    coordinator = Coordinator(served, [[make_lease(1, "honest", 2)]], 2)
    told = False

    def drain() -> None:
        nonlocal told
        told = True

    def heartbeat(beat: Heartbeat) -> Orders:
        coordinator.beats.append(beat)
        return Orders(known=True, cancelled_jobs=(), number=1, drain=told)

    coordinator.end_agent = drain  # type: ignore[method-assign]
    served.jobs.answers["heartbeat"] = heartbeat
    work()
    assert len(coordinator.done) == 2
    assert any(name == "leave" for name, _ in served.jobs.calls)
    assert caplog.messages == ["the coordinator asks: finishing what runs"]


def test_signals_mean_what_they_did_when_the_worker_has_gone(
    served: Served, work: Callable[[], None]
) -> None:
    def count(number: int, frame: object) -> None:
        del frame
        told.append(number)

    told: list[int] = []
    before = {number: signal.signal(number, count) for number in STOP_SIGNALS}
    try:
        coordinator = Coordinator(served, [[make_lease(1, "honest", 2)]], 2)
        coordinator.end_agent = lambda: signal.raise_signal(signal.SIGTERM)  # type: ignore[method-assign]
        work()
        for number in STOP_SIGNALS:
            signal.raise_signal(number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert told == list(STOP_SIGNALS)


def test_a_worker_that_was_started_to_ignore_the_end_of_its_terminal_does_so(
    served: Served, work: Callable[[], None]
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        coordinator = Coordinator(served, [[make_lease(1, "honest", 2)]], 2)
        coordinator.refuse = lambda _: signal.raise_signal(signal.SIGHUP)
        work()
        assert len(coordinator.done) == 2
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
