"""Jobs know with which key they were submitted, and may be private to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving.job_queue import JobQueue
from headrace_coordinator.serving.result_queue import ResultQueue
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.store.store import Store
from headrace_wire.api import JobQueueApi
from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError, NotAllowedError, UnknownJobError
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import JobFilter, JobSpec
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.logs import LogRequest
from headrace_wire.messages.reports import Report
from headrace_wire.messages.results import CollectRequest, FetchRequest
from headrace_wire.messages.views import EventRequest
from headrace_wire.roles import ADMINISTRATOR, Holder, set_caller
from support.loop_thread import LoopThread
from support.queue_builders import make_spec, make_worker

ALICE, BOB = Holder("alice", "client"), Holder("bob", "client")
OBSERVER = Holder("observer", "observer")


class Asked:
    """Both queues over one store, asked by whoever holds a key."""

    def __init__(self, path: Path, calls: LoopThread, *, private: bool) -> None:
        self._calls = calls
        self.store = Store(path)
        self.ledger = ledger = Ledger(self.store, Rules())
        waiters = Waiters()
        self.jobs = JobQueue(ledger, waiters, 15.0, private_jobs=private)
        self.results = ResultQueue(ledger, waiters, private_jobs=private)

    def ask(self, holder: Holder, method: Callable[..., Any], *arguments: Any) -> Any:
        async def call() -> Any:
            set_caller(holder)
            answer = method(*arguments)
            return await answer if hasattr(answer, "__await__") else answer

        return self._calls.answer(call())

    def submit(self, holder: Holder, job: str, **fields: Any) -> Any:
        return self.ask(holder, self.jobs.submit, make_spec(job, **fields))

    def expire(self) -> None:
        """Let all jobs end and expire."""

        def pass_time(queue: Queue, now: Now) -> None:
            for job in list(queue.state.jobs.values()):
                queue.intake.cancel(job.spec.id, now)
                job.heard = job.ended = -1e9
            queue.tick(now)

        self.ledger.commit_now(pass_time)

    def list_ids(self, holder: Holder) -> set[str]:
        return {status.id for status in self.ask(holder, self.jobs.jobs)}


@pytest.fixture(params=[False, True], ids=["shared", "private"])
def private(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def asked(tmp_path: Path, private: bool) -> Iterator[Asked]:
    with LoopThread() as calls:
        asked = Asked(tmp_path / "store", calls, private=private)
        asked.submit(ALICE, "of-alice")
        asked.submit(BOB, "of-bob")
        yield asked
    asked.store.close()


def test_who_submitted_a_job_is_kept(asked: Asked, tmp_path: Path) -> None:
    asked.store.close()
    asked.store = Store(tmp_path / "store")
    found = {job.spec.id: job.submitted_by for job, _ in asked.store.load()}
    assert found == {"of-alice": "alice", "of-bob": "bob"}


def test_everybody_who_may_sees_all_jobs_and_whose_they_are(asked: Asked) -> None:
    for holder in (ADMINISTRATOR, OBSERVER):
        statuses = asked.ask(holder, asked.jobs.jobs)
        assert {(one.id, one.submitted_by) for one in statuses} == {
            ("of-alice", "alice"),
            ("of-bob", "bob"),
        }


def test_clients_see_their_own_jobs_and_those_of_others_if_they_are_shared(
    asked: Asked, private: bool
) -> None:
    both = {"of-alice", "of-bob"}
    assert asked.list_ids(ALICE) == ({"of-alice"} if private else both)
    assert asked.ask(ALICE, asked.jobs.count_jobs, JobFilter(text="of-")) == (1 if private else 2)
    assert set(asked.ask(BOB, asked.jobs.match, "of-")) == ({"of-bob"} if private else both)
    assert asked.ask(BOB, asked.jobs.match, "of-alice") == (() if private else ("of-alice",))


def list_calls(asked: Asked, job: str) -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
    """One call of each method that is about a job; ``delete`` is the last."""
    jobs, results = asked.jobs, asked.results
    return [
        (jobs.status, (job,)),
        (jobs.put, (job, 0, pack_batch([b""]))),
        (jobs.read, (job,)),
        (jobs.seal, (job, 10)),
        (jobs.progress, (job, 1)),
        (jobs.slowest, (job, 1)),
        (jobs.running, (job, 1)),
        (jobs.task_runs, (job, 0, 1, 1)),
        (jobs.task_times, (job,)),
        (jobs.withdraw, (job, (0,), True)),
        (jobs.replay, (job, (0,))),
        (results.failures, (job, 0, 1)),
        (results.failure_groups, (job,)),
        (results.fetch, (FetchRequest(job, 0, True, 1, 0.0, 0),)),
        (results.collect, (CollectRequest(job, 0, 0, 1, 0.0, 0.0, ()),)),
        (results.logs, (LogRequest(job, 0, 0.0),)),
        (jobs.cancel, (job,)),
        (jobs.retry, (job,)),
        (results.acknowledge, (job,)),
        (jobs.delete, (job,)),
    ]


def test_a_private_job_is_unknown_to_others_whatever_they_call(asked: Asked, private: bool) -> None:
    if not private:
        assert asked.ask(BOB, asked.jobs.cancel, "of-alice").state == "cancelled"
        asked.ask(BOB, asked.jobs.delete, "of-alice")
        assert asked.list_ids(ALICE) == {"of-bob"}
        return
    calls = list_calls(asked, "of-alice")
    about_jobs = {name for name in vars(JobQueueApi) if "job" in _list_arguments(name)}
    assert about_jobs <= {method.__name__ for method, _ in calls}
    for method, arguments in calls:
        with pytest.raises(UnknownJobError, match="there is no job 'of-alice' of yours"):
            asked.ask(BOB, method, *arguments)
    assert asked.ask(ALICE, asked.jobs.status, "of-alice").state == "queued"
    asked.ask(ALICE, asked.jobs.delete, "of-alice")
    assert asked.list_ids(ALICE) == set()


def test_events_of_jobs_are_told_to_those_who_may_see_the_jobs(asked: Asked, private: bool) -> None:
    def list_told(holder: Holder) -> set[str]:
        return {one.job for one in asked.ask(holder, asked.jobs.events, EventRequest()).events}

    both = {"of-alice", "of-bob"}
    assert list_told(OBSERVER) == list_told(ADMINISTRATOR) == both
    assert list_told(ALICE) == ({"of-alice"} if private else both)


def test_who_sees_only_its_own_jobs_drains_no_workers(asked: Asked, private: bool) -> None:
    for holder in (ALICE, ADMINISTRATOR):
        asked.ask(holder, asked.jobs.register, make_worker(), ())
        if private and holder is ALICE:
            with pytest.raises(NotAllowedError, match="only an administrator's key"):
                asked.ask(holder, asked.jobs.drain, "w")
        else:
            assert asked.ask(holder, asked.jobs.drain, "w").draining


def test_a_private_job_is_unknown_to_others_after_it_has_expired(
    asked: Asked, private: bool
) -> None:
    asked.expire()
    ids = {"of-alice", "of-bob"}
    past = JobFilter(past=True)
    seen = {status.id for status in asked.ask(ALICE, asked.jobs.jobs, 0, False, past)}
    assert seen == ({"of-alice"} if private else ids)
    assert asked.ask(ALICE, asked.jobs.count_jobs, past) == len(seen)
    assert asked.ask(ALICE, asked.jobs.status, "of-alice").expired
    asked.ask(OBSERVER, asked.jobs.status, "of-alice")
    if private:
        for method in (asked.jobs.status, asked.jobs.task_times, asked.results.failure_groups):
            with pytest.raises(UnknownJobError):
                asked.ask(BOB, method, "of-alice")
        asked.ask(BOB, asked.jobs.delete, "of-alice")
        assert asked.ask(BOB, asked.jobs.match, "of-a") == ()
    assert asked.ask(ALICE, asked.jobs.status, "of-alice").expired, "it is nobody else's to delete"


def test_the_id_of_another_s_expired_job_is_taken(asked: Asked, private: bool) -> None:
    asked.expire()
    if private:
        with pytest.raises(UnknownJobError, match="there is no job 'of-alice' of yours"):
            asked.submit(BOB, "of-alice")
    else:
        assert asked.submit(BOB, "of-alice").submitted_by == "bob"
    assert not asked.submit(ADMINISTRATOR, "of-bob").expired
    asked.submit(BOB, "never-seen")


def test_an_id_may_be_used_again_by_whose_job_has_expired(asked: Asked) -> None:
    asked.expire()
    assert asked.submit(ALICE, "of-alice").submitted_by == "alice"


def test_observers_see_how_a_task_failed_and_not_what_it_was_given(asked: Asked) -> None:
    asked.ask(ADMINISTRATOR, asked.jobs.register, make_worker("w", slots=9), ())
    grant = asked.ask(ADMINISTRATOR, asked.jobs.lease, LeaseRequest("w", 1, 9, 1.0, ()))
    lease = next(lease for lease in grant.leases if lease.job == "of-alice")
    failure = TaskFailure(
        lease.id, "of-alice", lease.start, 1, "error", message="no", detail=b"the exception"
    )
    asked.ask(ADMINISTRATOR, asked.results.report, Report("w", 1, (), (failure,), (), ()))
    asked.ask(ALICE, asked.jobs.cancel, "of-alice")
    for holder, detail in ((ALICE, b"the exception"), (OBSERVER, b"")):
        (told,) = asked.ask(holder, asked.results.failures, "of-alice", 0, 10)
        assert (told.message, told.detail) == ("no", detail)
        status = asked.ask(holder, asked.jobs.status, "of-alice")
        assert bool(status.parameters) == bool(detail)


def _list_arguments(method: str) -> tuple[str, ...]:
    code = getattr(vars(JobQueueApi)[method], "__code__", None)
    return code.co_varnames[: code.co_argcount] if code else ()


def test_data_is_not_put_beside_another_s_private_job(asked: Asked, private: bool) -> None:
    fields = {"service": "data", "operation": "keep:of-alice", "tasks": None}
    if private:
        with pytest.raises(UnknownJobError):
            asked.submit(BOB, "data", **fields)
    assert asked.submit(ALICE, "data", **fields).id == "data"


def test_the_same_job_again_is_the_same_job(asked: Asked, private: bool) -> None:
    spec: JobSpec = make_spec("of-alice")
    assert asked.ask(ALICE, asked.jobs.submit, spec).submitted_by == "alice"
    if private:
        with pytest.raises(UnknownJobError):
            asked.ask(BOB, asked.jobs.submit, spec)
    else:
        assert asked.ask(BOB, asked.jobs.submit, spec).submitted_by == "alice"


def test_the_past_is_read_again_when_there_is_room_for_a_thread(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.expire()
    past = JobFilter(past=True)

    async def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as short:
        short.setattr(asyncio, "to_thread", refuse)
        for ask in (partial(asked.jobs.jobs, 0, False, past), partial(asked.jobs.count_jobs, past)):
            with pytest.raises(HeadraceError, match=r"\(can't start new thread\): try again"):
                asked.ask(ADMINISTRATOR, ask)
    assert asked.ask(ADMINISTRATOR, asked.jobs.count_jobs, past) == 2
