"""A fleet that is scaled: what is asked of the cluster and of the fleet, in which order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from headrace.scaling.commands import CommandFailedError
from headrace.scaling.decision import Bounds, Candidate
from headrace.scaling.scaler import Scaler
from headrace_wire.errors import KeyRefusedError, UnknownWorkerError, UnreachableError
from headrace_wire.messages.views import Backlog, Overview
from headrace_wire.messages.workers import WorkerStatus
from support.wire_messages import make_message

if TYPE_CHECKING:
    from collections.abc import Sequence


class StageCluster:
    """A cluster as a test wants it."""

    def __init__(self) -> None:
        self.connected: list[WorkerStatus] = []
        self.tasks, self.backlog_seconds = 0, 0.0
        self.backlogs: tuple[Backlog, ...] = ()
        self.engines, self.engine = {"primes": "any"}, "pool"
        self.started_at = 1.0
        self.log: list[object] = []
        self.problem: Exception | None = None

    def come(self, *names: str) -> None:
        """Workers with four slots come."""
        for name in names:
            self.connected.append(
                make_message(
                    WorkerStatus, id=f"id-{name}", name=name, host=f"host-{name}", slots=4, busy=0,
                    leased=0, draining=False, connected_at=float(len(self.connected)),
                    engines=self.engines, engine=self.engine,
                )
            )  # fmt: skip

    def want(self, service: str, tasks: int, seconds: float, *, is_limited: bool = False) -> None:
        """Let there be more tasks, of so many seconds in all."""
        self.backlogs += (Backlog(service, is_limited, tasks, seconds),)
        self.tasks += tasks
        slots = sum(status.slots for status in self.connected)
        self.backlog_seconds += seconds / max(1, slots)

    def go(self, name: str) -> None:
        self.connected = [status for status in self.connected if status.name != name]

    def overview(self) -> Overview:
        if self.problem:
            raise self.problem
        return make_message(
            Overview, waiting=self.tasks, leased=0, retrying=0, held="", problem="",
            backlog_seconds=self.backlog_seconds, started_at=self.started_at,
            done_per_second=0.0, failed_per_second=0.0, backlogs=self.backlogs,
        )  # fmt: skip

    def workers(self) -> tuple[WorkerStatus, ...]:
        return tuple(self.connected)

    def drain(self, worker: str) -> None:
        self.log.append(("drain", worker))
        found = [status for status in self.connected if status.id == worker]
        if not found:
            raise UnknownWorkerError
        place = self.connected.index(found[0])
        values = {name: getattr(found[0], name) for name in found[0].__struct_fields__}
        self.connected[place] = WorkerStatus(**{**values, "draining": True})


class StageFleet:
    """Notes what is asked of it, in the cluster's log."""

    def __init__(self, cluster: StageCluster) -> None:
        self.log = cluster.log
        self.problem: Exception | None = None

    def choose_ours(self, workers: Sequence[Candidate]) -> list[Candidate]:
        return [worker for worker in workers if worker.name != "desk"]

    def prepare(self, leaving: Sequence[Candidate]) -> None:
        self.log.append(("prepare", *[worker.name for worker in leaving]))

    def resize(self, workers: int, gone: Sequence[Candidate]) -> None:
        if self.problem:
            raise self.problem
        self.log.append(("resize", workers, *[worker.name for worker in gone]))


class Stage:
    """A scaler with a clock that a test moves."""

    def __init__(self, least: int = 1, most: int = 8, **options: Any) -> None:
        self.seconds = 0.0
        self.cluster = StageCluster()
        self.fleet = StageFleet(self.cluster)
        bounds = Bounds(least, most, target_seconds=60, cooldown_seconds=100)
        self.scaler = Scaler(
            self.cluster, self.fleet, bounds, read_clock=lambda: self.seconds, **options
        )

    def step(self, seconds: float = 0.0) -> list[object]:
        """Let time pass, look, and return what was done."""
        self.seconds += seconds
        done = len(self.cluster.log)
        self.scaler.step()
        return self.cluster.log[done:]


def test_more_are_started_at_once_and_fewer_after_they_have_gone() -> None:
    stage = Stage()
    assert stage.step() == [("resize", 1)]
    stage.cluster.come("a")
    stage.cluster.tasks, stage.cluster.backlog_seconds = 1000, 200.0
    assert stage.step(15) == [("resize", 2)]
    assert stage.step(15) == [("resize", 4)]
    assert stage.step(15) == []
    stage.cluster.come("b", "c", "d")
    stage.cluster.tasks, stage.cluster.backlog_seconds = 0, 0.0
    assert stage.step(15) == []
    assert stage.step(100) == [
        ("prepare", "d", "c", "b"), ("drain", "id-d"), ("drain", "id-c"), ("drain", "id-b"),
    ]  # fmt: skip
    assert stage.step(1) == []
    stage.cluster.go("c")
    assert stage.step(1) == [("resize", 3, "c")]
    stage.cluster.go("b")
    stage.cluster.go("d")
    assert stage.step(1) == [("resize", 1, "d", "b")]
    assert stage.step(1000) == []
    assert not stage.scaler.leaving


def test_while_some_drain_there_is_room_for_them_beside_new_ones() -> None:
    stage = Stage(least=0)
    stage.cluster.come("a", "b")
    stage.step()
    assert stage.step(150)[0] == ("prepare", "b", "a")
    stage.cluster.tasks, stage.cluster.backlog_seconds = 1000, 10_000.0
    assert stage.step(1) == [("resize", 2 + 2)]
    stage.cluster.go("a")
    assert stage.step(1) == [("resize", 2 + 1, "a"), ("resize", 4 + 1)]


def test_what_could_not_be_started_is_tried_again() -> None:
    stage = Stage()
    stage.fleet.problem = CommandFailedError("no quota left")
    for _ in range(2):
        with pytest.raises(CommandFailedError):
            stage.step(15)
    stage.fleet.problem = None
    assert stage.step(15) == [("resize", 1)]


def test_what_could_not_be_taken_away_is_tried_again() -> None:
    stage = Stage()
    stage.cluster.come("a", "b")
    stage.step()
    stage.step(150)
    stage.cluster.go("b")
    stage.fleet.problem = CommandFailedError("no quota left")
    with pytest.raises(CommandFailedError):
        stage.step(1)
    stage.fleet.problem = None
    assert stage.step(1) == [("resize", 1, "b")]


def test_one_that_has_gone_by_itself_is_taken_away_like_others() -> None:
    stage = Stage()
    stage.cluster.come("a", "b")
    stage.step()
    seen = stage.cluster.workers()
    stage.cluster.workers = lambda: seen  # type: ignore[method-assign] # as it was a moment ago
    stage.cluster.go("b")
    assert stage.step(150) == [("prepare", "b"), ("drain", "id-b")]
    del stage.cluster.workers
    assert stage.step(1) == [("resize", 1, "b")]


def test_those_that_are_not_ours_do_work_and_stay() -> None:
    stage = Stage(least=0)
    stage.cluster.come("desk")
    stage.cluster.tasks, stage.cluster.backlog_seconds = 100, 50.0
    assert stage.step() == []
    stage.cluster.tasks = 0
    assert stage.step(1000) == []


def test_after_a_start_of_the_coordinator_its_workers_may_come_back_first() -> None:
    stage = Stage()
    stage.cluster.come("a", "b", "c")
    stage.step()
    assert len(stage.step(150)) == 3  # two of them go
    stage.cluster.started_at += 1.0
    connected, stage.cluster.connected = stage.cluster.connected, []
    stage.cluster.tasks, stage.cluster.backlog_seconds = 1000, 10_000.0
    assert stage.step(1) == []
    assert stage.step(58) == []
    stage.cluster.connected = connected
    stage.cluster.go("c")
    stage.cluster.tasks = 0
    assert stage.step(2) == [("resize", 2, "c")]


def test_fewer_than_before_are_not_asked_for_while_some_are_missing() -> None:
    stage = Stage()
    stage.cluster.come("a")
    stage.cluster.tasks, stage.cluster.backlog_seconds = 1000, 480.0
    assert stage.step() == [("resize", 8)]
    stage.cluster.backlog_seconds = 120.0
    assert stage.step(60) == []
    assert stage.step(100) == [("resize", 8)]


def test_one_whose_drain_could_not_be_asked_for_stays() -> None:
    stage = Stage()
    stage.cluster.come("a", "b")
    stage.step()
    problem = UnreachableError("the coordinator went away")

    def fail(worker: str) -> None:
        del worker
        raise problem

    drain, stage.cluster.drain = stage.cluster.drain, fail  # type: ignore[method-assign]
    with pytest.raises(UnreachableError):
        stage.step(150)
    stage.cluster.drain = drain  # type: ignore[method-assign]
    assert not stage.scaler.leaving
    assert ("drain", "id-b") in stage.step(1)


def test_a_rehearsal_decides_and_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "headrace.scaling")
    stage = Stage(is_rehearsal=True)
    stage.cluster.come("a")
    stage.cluster.tasks, stage.cluster.backlog_seconds = 1000, 200.0
    for wanted in (4, 2, 2):
        stage.seconds += 15
        assert stage.scaler.step().describe() == (
            f"from 1 worker to {wanted}: work for 3 min on 4 slots (1,000 tasks), to be done in "
            "60 s"
        )
    assert stage.cluster.log == []
    assert caplog.messages == [], "the command prints what would be done"


def test_a_coordinator_that_is_away_is_told_once_and_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "headrace.scaling")
    stage = Stage()
    stage.cluster.come("a", "b")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        stage.seconds += 150
        match len(slept):
            case 1:
                stage.cluster.problem = UnreachableError("the coordinator went away")
            case 3:
                stage.cluster.problem = None
            case 6:
                stage.cluster.problem = KeyRefusedError("revoked")
            case _:
                pass

    with pytest.raises(KeyRefusedError):
        stage.scaler.run(15, lambda _: None, sleep)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:2] == [
        "the coordinator went away; workers stay as they are until it is back",
        "the coordinator is back",
    ]
    assert slept == [15, 15, 15, 15, 15, 1.0], "those that drain are looked at more often"


def test_work_that_no_worker_can_run_is_no_reason_for_more_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    stage.cluster.come("a")
    stage.cluster.want("render", 1000, 9000.0)
    for _ in range(3):
        assert stage.step(15) == []
    (line,) = [one for one in caplog.messages if "would not help" in one]
    assert line == (
        "1,000 tasks of 'render', which no worker here can run: more workers would not help"
    )
    stage.cluster.backlog_seconds = 0.0  # where all workers together can do none of it
    assert stage.step(15) == []
    stage.cluster.want("primes", 1000, 9000.0)
    assert stage.step(15) == [("resize", 2)], "what they can do counts as ever"


def test_as_long_as_no_worker_was_seen_the_first_one_tells_what_they_can_do() -> None:
    stage = Stage(least=0)
    stage.cluster.want("render", 1000, 9000.0)
    assert stage.step() == [("resize", 1)]
    stage.cluster.come("a")
    assert stage.step(15) == []
    assert stage.step(101) == [("prepare", "a"), ("drain", "id-a")]
    stage.cluster.go("a")
    assert stage.step(1) == [("resize", 0, "a")]
    for _ in range(5):
        assert stage.step(200) == [], "what they can do is remembered"


def test_a_time_limit_that_the_engine_does_not_keep_is_no_reason_for_more() -> None:
    stage = Stage()
    stage.cluster.engine = "dask"
    stage.cluster.come("a")
    stage.cluster.want("primes", 1000, 9000.0, is_limited=True)
    assert stage.step() == []
    assert "'primes' with a time limit" in stage.scaler.step().why
    stage.cluster.want("primes", 1000, 9000.0)
    assert stage.step() != []


def test_others_help_with_what_they_can_do_and_not_with_the_rest() -> None:
    stage = Stage()
    stage.cluster.come("a")
    stage.cluster.engines = {"images": "any"}
    stage.cluster.come("desk")
    stage.cluster.want("images", 4, 200.0)
    assert stage.step() == [], "that is the desk's alone, and no reason for more"
    stage.cluster.want("primes", 1000, 1000.0)
    assert stage.step(15) == [("resize", 2)]


def test_what_cannot_be_taken_away_does_not_keep_others_from_coming() -> None:
    stage = Stage()
    stage.cluster.come("a", "b")
    stage.step()
    stage.step(150)
    stage.cluster.go("b")
    stage.cluster.want("primes", 1000, 9000.0)
    resize = stage.fleet.resize

    def refuse_removals(workers: int, gone: Sequence[Candidate]) -> None:
        if gone:
            raise CommandFailedError("no such machine")
        resize(workers, gone)

    stage.fleet.resize = refuse_removals  # type: ignore[method-assign] # a cloud of its own
    with pytest.raises(CommandFailedError, match="no such machine"):
        stage.step(15)
    assert stage.cluster.log[-1] == ("resize", 2 + 1), "beside the one that is to be taken away"
    del stage.fleet.resize
    assert stage.step(15)[0] == ("resize", 2, "b")


def test_a_program_that_was_started_anew_takes_away_those_that_the_one_before_has_drained() -> None:
    stage = Stage()
    stage.cluster.come("a", "b", "desk")
    for name in ("b", "desk"):
        stage.cluster.drain(f"id-{name}")

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.scaler.run(15, lambda _: None, stop)
    assert stage.scaler.leaving == 1
    stage.cluster.drain("id-a")  # by somebody else, later
    stage.cluster.go("b")
    assert ("resize", 0, "b") in stage.step(15)
    assert stage.scaler.leaving == 0


def test_the_longer_workers_take_to_drain_the_rarer_it_is_looked_at_them() -> None:
    stage = Stage()
    stage.cluster.come("a", "b")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        stage.seconds += seconds
        if stage.seconds > 3600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.scaler.run(15, lambda _: None, sleep)
    drained = slept[slept.index(1.0) :]
    assert drained[:5] == [1.0] * 5
    assert drained[-1] == 15
    assert len(slept) < 300
