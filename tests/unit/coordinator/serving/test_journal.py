"""The journal: what happened, in words, for those who watch; numbered, bounded, and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from headrace_coordinator import event_rate
from headrace_coordinator.failure_burst import MOST_AT_ONCE
from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_coordinator.serving import journal
from headrace_coordinator.serving.journal import Journal
from headrace_coordinator.serving.topics import EVENTS
from headrace_coordinator.serving.wake import Waiters
from headrace_wire.alike import explain_failure
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.views import EventPage, EventRequest
from support.event_loops import in_event_loop
from support.queue_builders import Rig, make_spec

#: More than anything here takes, in seconds.
LONG = 20.0


class Clock:
    """A clock that stands until it is set, for both times."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waiters() -> Waiters:
    return Waiters()


@pytest.fixture
def kept(waiters: Waiters, clock: Clock) -> Journal:
    return Journal(waiters, clock, clock)


def read(kept: Journal, by: str | None = None, **asked: object) -> EventPage:
    return asyncio.run(kept.read(EventRequest(**asked), by))  # type: ignore[arg-type] # as named


def list_kinds(page: EventPage) -> list[str]:
    return [event.kind for event in page.events]


def make_joined(names: Iterable[object]) -> list[Event]:
    return [events.WorkerJoined(str(name), 2) for name in names]


def make_death(index: int = 0, job: str = "job", message: str = "no") -> events.TaskDead:
    failure = TaskFailure(
        1, job, index, 3, "crash", "SIGSEGV", "", message, "", "", "w", 0.0, 0.0
    )  # fmt: skip
    return events.TaskDead(failure, "primes", "count", "alice")


def test_the_life_of_jobs_and_workers_is_told_in_order(kept: Journal) -> None:
    rig = Rig()
    rig.join()
    rig.submit(tasks=2, retries=0, name="holiday")
    (lease,) = rig.lease()
    rig.finish(lease, 0, 1)
    rig.fail(lease, 1)
    rig.retry()
    (lease,) = rig.lease()
    rig.finish(lease)
    rig.submit("other")
    rig.queue.intake.cancel("other", rig.now)
    rig.queue.intake.delete("job")
    rig.queue.leasing.leave("w", rig.now)
    kept.note(rig.queue.state.drain_events())
    page = read(kept)
    assert list_kinds(page) == [
        "worker-joined", "job-submitted", "job-started", "task-failed", "job-failed",
        "job-retried", "job-started", "job-succeeded", "job-submitted", "job-cancelled",
        "job-deleted", "worker-left",
    ]  # fmt: skip
    assert [event.number for event in page.events] == list(range(int(1e9), int(1e9) + 12))
    joined, submitted, started, dead, failed = page.events[:5]
    assert (joined.worker, joined.job, joined.text) == ("w", "", "2 slots")
    assert (submitted.job, submitted.text) == ("job", "primes count, 'holiday', 2 tasks")
    assert (started.job, started.worker) == ("job", "w")
    assert (dead.worker, dead.text) == (
        "w",
        "task 1 failed for good at attempt 1 (error): ValueError: no",
    )
    assert failed.text == "after 0.000 s: 1 done, 1 failed, 0 cancelled"
    assert page.missed == 0


def test_a_silent_worker_a_draining_one_and_work_that_waits_are_told(kept: Journal) -> None:
    rig = Rig()
    rig.join()
    rig.beat(draining=True)
    rig.beat(draining=True)
    rig.seconds = 60.0
    rig.queue.tick(rig.now)
    kept.note(rig.queue.state.drain_events())
    kept.note([events.WorkHeld("job", "the disk is full"), events.WorkHeld("job", "")])
    page = read(kept)
    assert list_kinds(page) == ["worker-joined", "worker-draining", "worker-silent", "work-waits"]
    assert page.events[-1].text == "the disk is full"


def test_a_job_that_expires_is_not_said_to_be_deleted_too(kept: Journal) -> None:
    kept.note([events.JobExpired("old", 5), events.JobDeleted("data", keeps_data=True),
               events.JobDeleted("old"), events.JobDeleted("other")])  # fmt: skip
    told = [(event.kind, event.job) for event in read(kept).events]
    assert told == [("job-expired", "old"), ("job-deleted", "other")]


def test_jobs_that_keep_data_for_others_are_not_told(kept: Journal) -> None:
    kept.note([events.JobSubmitted(make_spec("data", service="data"), 0.0)])
    assert read(kept).events == ()


def test_of_many_deaths_at_once_a_few_are_told_and_the_others_counted(kept: Journal) -> None:
    kept.note([make_death(index) for index in range(1000)])
    texts = [event.text for event in read(kept).events]
    assert len(texts) == MOST_AT_ONCE + 1
    assert texts[-1].startswith("995 more tasks have failed for good, most often like task 5: ")
    assert texts[-1].endswith(explain_failure(make_death(5).failure))


def test_the_deaths_of_a_job_are_counted_before_it_is_said_to_have_ended(kept: Journal) -> None:
    rig = Rig()
    rig.join(slots=20)
    rig.submit(tasks=20, retries=0)
    while leases := rig.lease(slots=20):
        for lease in leases:
            for index in range(lease.start, lease.stop):
                rig.fail(lease, index)
    kept.note(rig.queue.state.drain_events())
    kinds = list_kinds(read(kept))
    assert kinds[-2:] == ["task-failed", "job-failed"]
    assert kinds.count("task-failed") == MOST_AT_ONCE + 1


def test_a_reader_goes_on_where_it_was(kept: Journal) -> None:
    kept.note(make_joined(range(5)))
    first = read(kept, limit=2)
    second = read(kept, limit=2, cursor=first.cursor)
    third = read(kept, cursor=second.cursor)
    names = [[event.worker for event in page.events] for page in (first, second, third)]
    assert names == [["0", "1"], ["2", "3"], ["4"]]
    assert read(kept, cursor=third.cursor) == EventPage((), third.cursor, 0)


def test_a_reader_begins_with_the_newest_if_it_wants(kept: Journal) -> None:
    kept.note(make_joined(range(5)))
    page = read(kept, last=2)
    assert [event.worker for event in page.events] == ["3", "4"]
    assert page.missed == 0, "it did not want the others"
    assert read(kept, last=2, cursor=page.cursor).events == ()


def test_what_is_forgotten_is_counted_as_missed(
    monkeypatch: pytest.MonkeyPatch, waiters: Waiters, clock: Clock
) -> None:
    monkeypatch.setattr(journal, "EVENTS_KEPT", 2)
    monkeypatch.setattr(journal, "EVENTS_PER_PAGE", 1)
    kept = Journal(waiters, clock, clock)
    kept.note(make_joined(range(2)))
    seen = read(kept, cursor=read(kept).cursor)
    kept.note(make_joined(range(2, 9)))
    monkeypatch.setattr(journal, "EVENTS_PER_PAGE", 9)
    page = read(kept, cursor=seen.cursor)
    assert [event.worker for event in page.events] == ["6", "7", "8"]
    assert page.missed == 4
    assert read(kept).missed == 6, "all since it began"


def test_a_flood_of_one_kind_is_cut_and_counted_and_others_are_kept(
    kept: Journal, clock: Clock
) -> None:
    kept.note(make_joined(range(10_000)))
    kept.note([make_death()])
    page = read(kept)
    assert len(page.events) == event_rate.LINES_AT_ONCE + 1
    assert page.missed == 10_000 - event_rate.LINES_AT_ONCE
    assert page.events[-1].kind == "task-failed"
    clock.seconds += 1.0
    kept.note(make_joined(range(100)))
    later = read(kept, cursor=page.cursor)
    assert (len(later.events), later.missed) == (5, 95)


def test_an_event_stays_short_whatever_a_task_says(kept: Journal) -> None:
    kept.note([make_death(message="a\nb\x1b[31m" + "c" * 5000)])
    (event,) = read(kept).events
    assert len(event.text) == journal.MOST_CHARACTERS


def test_one_job_can_be_followed(kept: Journal) -> None:
    kept.note([make_death(job="a"), make_death(job="b"), *make_joined("w")])
    page = read(kept, job="b")
    assert [event.job for event in page.events] == ["b"]
    assert read(kept, job="b", cursor=page.cursor) == EventPage((), page.cursor, 0)


def test_of_jobs_a_key_may_see_its_own_alone(kept: Journal) -> None:
    mine = events.JobDeleted("of-alice", "alice")
    kept.note([mine, events.JobDeleted("of-bob", "bob"), make_death(), *make_joined("w")])
    seen = [event.job or event.worker for event in read(kept, by="alice").events]
    assert seen == ["of-alice", "job", "w"]
    assert read(kept, by="bob", job="of-alice").events == ()


@in_event_loop
async def test_who_waits_long_for_one_job_knows_what_was_missed(
    kept: Journal, waiters: Waiters
) -> None:
    kept.note(make_joined(range(event_rate.LINES_AT_ONCE + 50)))
    waiting = asyncio.create_task(kept.read(EventRequest(job="b", wait_seconds=LONG)))
    await asyncio.sleep(0)
    assert waiters.count_waiters(EVENTS)
    kept.note([make_death(job="a")])
    await asyncio.sleep(0)
    kept.note([make_death(job="b")])
    page = await asyncio.wait_for(waiting, LONG)
    assert [event.job for event in page.events] == ["b"]
    assert page.missed == 50


@in_event_loop
async def test_who_waits_is_told_at_once(kept: Journal, waiters: Waiters) -> None:
    request = EventRequest(job="b", wait_seconds=LONG)
    waiting = asyncio.create_task(kept.read(request))
    await asyncio.sleep(0)
    assert waiters.count_waiters(EVENTS)
    kept.note([make_death(job="a")])
    kept.note([make_death(job="b")])
    page = await asyncio.wait_for(waiting, LONG)
    assert [event.job for event in page.events] == ["b"]


def test_after_a_restart_numbers_are_higher_and_nobody_waits_in_vain(
    waiters: Waiters, clock: Clock
) -> None:
    earlier = Journal(waiters, clock, clock)
    earlier.note(make_joined("ab"))
    cursor = read(earlier).cursor
    clock.seconds += 5.0
    later = Journal(waiters, clock, clock)
    later.note(make_joined("c"))
    assert [event.worker for event in read(later, cursor=cursor).events] == ["c"]
    assert [event.worker for event in read(later, cursor=2**60).events] == ["c"]


def test_what_happens_to_single_tasks_is_passed_over(kept: Journal) -> None:
    done = events.SpanDone("job", 0, 1, b"", "primes", "count")
    kept.note([done, events.JobChanged("job"), events.WorkAppeared()])
    assert read(kept).events == ()
