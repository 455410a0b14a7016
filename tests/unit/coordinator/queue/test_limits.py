"""What many small calls can make the coordinator keep is bounded."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from headrace_coordinator.monitoring import queue_metrics, series
from headrace_coordinator.monitoring import worker_samples as samples
from headrace_coordinator.monitoring.metrics import CoordinatorMetrics
from headrace_coordinator.monitoring.series import OTHER, Series
from headrace_coordinator.monitoring.worker_samples import SampleBook
from headrace_coordinator.queue import client_requests as intake
from headrace_coordinator.queue import failure_texts, leasing
from headrace_coordinator.queue import members as membership
from headrace_coordinator.queue.events import TaskDead
from headrace_coordinator.shared import sessions, state
from headrace_coordinator.shared.sessions import LANE_BYTES, SESSION_BYTES
from headrace_coordinator.shared.state import SharedState
from headrace_coordinator.store.store import Store
from headrace_wire.errors import SharedFullError, UsageError
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.shared import (
    DICT,
    EVENT,
    LIST,
    VALUE,
    SharedBeat,
    SharedCall,
    SharedSpec,
    Stamp,
)
from headrace_wire.messages.spans import HeldSpan
from support.queue_builders import Rig, at, make_spec, make_worker
from support.shared_builders import SharedRig
from support.shared_invariants import check_shared_state
from support.wire_messages import make_message


def test_series_that_are_too_many_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "MAX_SERIES", 3)
    registry = CollectorRegistry()
    counter = Series(Counter("tasks", "Tasks.", ("service", "operation"), registry=registry))
    histogram = Series(Histogram("waits", "Waits.", ("service",), registry=registry))
    for number in range(10):
        counter.at(f"s{number}", "o").inc()
        histogram.at(f"s{number}").observe(0.5)
    counter.at("s0", "o").inc()  # one of the first is still known
    for service, tasks, waits in (("s0", 2, 1), ("s1", 1, 1), ("s2", 1, 1), (OTHER, 7, 7)):
        labels = {"service": service, "operation": OTHER if service == OTHER else "o"}
        assert registry.get_sample_value("tasks_total", labels) == tasks
        assert registry.get_sample_value("waits_count", {"service": service}) == waits
    assert registry.get_sample_value("waits_count", {"service": "s3"}) is None


def test_a_scrape_stays_small_whatever_services_jobs_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_metrics, "MAX_SERIES", 3)
    rig = Rig()
    for number in range(10):
        rig.submit(f"job{number}", service=f"s{number}")
    families = {one.name: one for one in queue_metrics.show_jobs(rig.queue, rig.now)}
    depth = families["headrace_queue_depth"].samples
    assert {one.labels["service"]: one.value for one in depth} == {
        "s0": 10, "s1": 10, "s2": 10, OTHER: 70,
    }  # fmt: skip


def test_metrics_of_failures_have_known_labels() -> None:
    known = CoordinatorMetrics()
    known.note_events([TaskDead(make_message(TaskFailure), "primes", "count")])
    assert b'operation="count"' in generate_latest(known.registry)


def test_workers_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "MAX_WORKERS", 3)
    rig = Rig()
    for number in range(3):
        rig.join(f"w{number}")
    with pytest.raises(UsageError, match="3 workers are connected"):
        rig.join("w3")
    rig.join("w0")  # one that is known may say so again
    rig.queue.leasing.leave("w0", rig.now)
    rig.join("w3")


def test_orders_that_nobody_hears_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "MAX_ENTRIES", 5)
    rig = Rig()
    for number in range(20):
        held = (HeldSpan(number, f"gone{number}", 0, 1, 1),)
        rig.queue.leasing.register(make_worker(), held, rig.now)
    orders = rig.queue.leasing.take_orders("w")
    assert sorted(orders.cancelled_jobs) == [f"gone{number}" for number in range(15, 20)]


def test_report_numbers_of_strangers_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_WORKERS", 5)
    book = SampleBook()
    for number in range(20):
        book.add(f"w{number}", 1, ())
    assert len(book._last_report) == 5  # pyright: ignore[reportPrivateUsage]


def test_jobs_and_their_parameters_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    rig.submit("a", parameters=bytes(60))
    monkeypatch.setattr(intake, "MAX_ALL_PARAMETER_BYTES", 100)
    with pytest.raises(UsageError, match="the parameters of all jobs take 60 bytes of the 100"):
        rig.submit("b", parameters=bytes(60))
    rig.queue.intake.delete("a")
    rig.submit("b", parameters=bytes(60))
    monkeypatch.setattr(intake, "MAX_JOBS", 1)
    with pytest.raises(UsageError, match="keeps 1 jobs and no more"):
        rig.submit("c", parameters=b"")


def test_no_key_has_all_the_places_for_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_JOBS", 8)
    monkeypatch.setattr(intake, "MAX_ALL_PARAMETER_BYTES", 800)
    rig = Rig()

    def submit(job: str, key: str, size_bytes: int = 0) -> None:
        rig.queue.intake.submit(make_spec(job, parameters=bytes(size_bytes)), rig.now, key)

    for number in range(6):
        submit(f"a{number}", "greedy")
    with pytest.raises(UsageError, match="the key 'greedy' has 6 jobs with 0 bytes"):
        submit("a6", "greedy")
    rig.queue.intake.delete("a0")
    with pytest.raises(UsageError, match="5 jobs with 0 bytes"):
        submit("a6", "greedy", 601)
    submit("a6", "greedy", 600)
    submit("b", "modest", 200)
    submit("c", "admin")
    for job in list(rig.queue.state.jobs):
        rig.queue.intake.delete(job)
    assert not rig.queue.state.jobs_by_key
    assert not rig.queue.state.parameter_bytes_by_key


def test_no_key_has_all_the_places_for_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "MAX_WORKERS", 4)
    rig = Rig()
    for number in range(3):
        rig.queue.leasing.register(make_worker(f"a{number}"), (), rig.now, "greedy")
    with pytest.raises(UsageError, match="3 workers with the key 'greedy' are connected"):
        rig.queue.leasing.register(make_worker("a3"), (), rig.now, "greedy")
    rig.queue.leasing.register(make_worker("b"), (), rig.now, "modest")
    for name in ("a0", "a1", "a2", "b"):
        rig.queue.leasing.leave(name, rig.now)
    assert not rig.queue.state.members_by_key


def test_no_key_has_all_the_room_for_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_state(4 * SESSION_BYTES, monkeypatch)
    for number in range(3):
        made.beat(SharedBeat(f"a{number}"), at(0), "greedy")
    with pytest.raises(SharedFullError, match="the key 'greedy'"):
        made.beat(SharedBeat("a3"), at(1), "greedy")
    made.beat(SharedBeat("b"), at(2), "modest")
    made.beat(SharedBeat("a3"), at(20), "greedy")  # those that are silent have gone
    assert list(made.sessions.by_id) == ["b", "a3"]
    made.leave("b")
    made.leave("a3")
    assert not made.sessions.bytes_by_key
    check_shared_state(made)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_no_key_has_all_the_bytes_of_shared_objects(tmp_path: Path, *, is_restarted: bool) -> None:
    with closing(Store(tmp_path / "store")) as store:
        rig = SharedRig(store, limit_bytes=10_000)
        rig.open("a", VALUE, bytes(5000), key="greedy")
        rig.open("l", LIST, key="greedy")
        if is_restarted:
            rig.restart()
        for refused in (
            lambda: rig.open("a2", VALUE, bytes(2500), key="greedy"),
            lambda: rig.ask("a", "set", bytes(7500), key="greedy"),
            lambda: rig.ask("l", "append", bytes(2500), session="b", key="modest"),  # not its own
        ):
            with pytest.raises(SharedFullError, match=r"key 'greedy' take .* 7500 of the 10000"):
                refused()
        rig.open("b", VALUE, bytes(2500), key="modest")
        rig.open("c", VALUE, bytes(500), key="admin")
        rig.ask("a", "delete", session="b", key="modest")
        rig.open("a2", VALUE, bytes(5500), key="greedy")
        check_shared_state(rig.state)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_answers_count_under_the_key_that_was_answered(
    tmp_path: Path, *, is_restarted: bool
) -> None:
    with closing(Store(tmp_path / "store")) as store:
        rig = SharedRig(store, limit_bytes=10_000)
        rig.open("d", DICT, key="greedy")
        for lane in range(2):
            rig.ask("d", "set", lane, bytes(3000), key="greedy")
            rig.ask("d", "pop", lane, lane=lane + 1, key="greedy")
        if is_restarted:
            rig.restart()
            rig.beat(key="greedy")
        with pytest.raises(SharedFullError, match="key 'greedy'"):
            rig.ask("d", "set", 3, bytes(2000), session="late", key="greedy")
        rig.open("b", VALUE, bytes(2000), key="modest")
        rig.seconds += 20  # a silent program's answers give way
        rig.ask("d", "set", 3, bytes(2000), session="late", key="greedy")
        assert "a" not in rig.state.sessions.by_id
        check_shared_state(rig.state)


def test_no_key_has_all_the_places_for_shared_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MAX_OBJECTS", 4)
    rig = SharedRig()
    for number in range(3):
        rig.open(f"a{number}", EVENT, key="greedy")
    with pytest.raises(SharedFullError, match="the key 'greedy' has 3 shared objects"):
        rig.open("a3", EVENT, key="greedy")
    rig.open("a0", EVENT, key="greedy")  # which is there
    rig.open("b", EVENT, key="modest")
    rig.ask("a0", "delete")
    rig.open("a3", EVENT, key="greedy")
    check_shared_state(rig.state)


def test_what_is_only_looked_up_is_not_kept_for_each_who_looks() -> None:
    made = SharedState(lambda _: None, lease_seconds=15.0, limit_bytes=10_000)
    made.open(SharedSpec("d", "dict"), at(0))
    for number in range(100):
        stamp = Stamp(f"s{number}", 0, 1)
        call = SharedCall(stamp, "d", "dict", "setdefault", (b"key", bytes(4000)))
        for _ in range(2):  # the second time is a repetition
            assert made.change(call, at(number)).values == (bytes(4000),)
    assert made.context.size_bytes < 10_000
    check_shared_state(made)


def test_answers_for_the_silent_give_way_to_others() -> None:
    made = SharedState(lambda _: None, lease_seconds=15.0, limit_bytes=10_000)
    made.open(SharedSpec("d", "dict"), at(0))

    def ask(session: str, number: int, seconds: float, operation: str, *values: bytes) -> None:
        stamp = Stamp(session, 0, number)
        made.change(SharedCall(stamp, "d", "dict", operation, values), at(seconds))

    ask("gone", 1, 0, "set", b"key", bytes(8000))
    ask("gone", 2, 0, "pop", b"key")  # its answer stays for a repetition
    with pytest.raises(SharedFullError):
        ask("late", 1, 5, "set", b"key", bytes(8000))
    ask("late", 2, 20, "set", b"key", bytes(8000))
    assert list(made.sessions.by_id) == ["late"]
    check_shared_state(made)


@pytest.mark.parametrize("owned", [False, True])
def test_what_failures_tell_at_length_is_kept_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch, *, owned: bool
) -> None:
    monkeypatch.setattr(failure_texts, "MAX_FAILURE_BYTES", 10_000)
    rig = Rig()
    rig.join(slots=20)
    rig.submit(tasks=20, owned=owned, retries=0)
    for lease in rig.lease(slots=20):
        failures = tuple(
            TaskFailure(lease.id, "job", index, 1, "error", message="m" * 900, traceback="t" * 1000)
            for index in range(lease.start, lease.stop)
        )
        rig.report("w", failures=failures)
    deaths = [one.failure for one in rig.queue.state.drain_events() if isinstance(one, TaskDead)]
    assert len(deaths) == 20
    kept = [len(death.message) + len(death.traceback) for death in deaths]
    assert kept == [1900] * 20 if owned else kept == [1900] * 5 + [200] * 15


def make_state(limit_bytes: int, monkeypatch: pytest.MonkeyPatch) -> SharedState:
    monkeypatch.setattr(sessions, "SESSIONS_LIMIT_BYTES", limit_bytes)
    made = SharedState(lambda _: None, lease_seconds=15.0)
    made.open(SharedSpec("v", "value", b"\x00"), at(0))
    made.open(SharedSpec("l", "lock"), at(0))
    return made


def test_sessions_that_are_silent_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    one = SESSION_BYTES + LANE_BYTES
    made = make_state(3 * one, monkeypatch)
    for number in range(3):
        call = SharedCall(Stamp(f"s{number}", 0, 1), "v", "value", "set", (b"\x01",))
        made.change(call, at(number))
    late = SharedBeat("late", (Stamp("late", 0, 1),))
    with pytest.raises(SharedFullError, match="3 were heard of within 15 s"):
        made.beat(late, at(10))
    made.beat(SharedBeat("s0"), at(12))  # it lives, and is not the one that has to go
    made.beat(late, at(20))
    assert set(made.sessions.by_id) == {"s2", "s0", "late"}
    check_shared_state(made)


def test_a_session_that_holds_a_lock_does_not_have_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_state(SESSION_BYTES + LANE_BYTES, monkeypatch)
    made.change(SharedCall(Stamp("holder", 0, 1), "l", "lock", "acquire"), at(0))
    with pytest.raises(SharedFullError):
        made.beat(SharedBeat("late"), at(20))
    made.tick(at(20))  # what it holds comes free after so long a silence
    made.beat(SharedBeat("late"), at(20))
    check_shared_state(made)


def test_requests_that_are_given_up_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_state(SESSION_BYTES + 10 * LANE_BYTES, monkeypatch)
    with pytest.raises(SharedFullError):
        made.beat(SharedBeat("s", tuple(Stamp("s", lane, 1) for lane in range(20))), at(0))
    made.beat(SharedBeat("s", tuple(Stamp("s", lane, 1) for lane in range(10))), at(0))
    check_shared_state(made)


def test_shared_objects_are_counted_and_listed_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_state(1 << 20, monkeypatch)
    monkeypatch.setattr(state, "MAX_OBJECTS", 5)
    for name in ("a", "b", "c"):
        made.open(SharedSpec(name, "event"), at(0))
    with pytest.raises(SharedFullError, match="there are 5 shared objects"):
        made.open(SharedSpec("d", "event"), at(0))
    assert [one.name for one in made.statuses("", 2)] == ["a", "b"]
    assert [one.name for one in made.statuses("b", 2)] == ["c", "l"]
    assert [one.name for one in made.statuses("l", 2)] == ["v"]
    assert made.statuses("v", 2) == []
