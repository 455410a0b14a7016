"""Batches of inputs that overtake each other on their way, as from a client far away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving import job_queue
from headrace_coordinator.serving.job_queue import JobQueue
from headrace_coordinator.serving.topics import wake_waiters
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.store.store import Store
from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.errors import JobStateError, SpoolFullError
from support.loop_thread import LoopThread
from support.queue_builders import make_spec


class Site:
    """A served job queue over a store, with a job that takes inputs."""

    def __init__(self, folder: Path, calls: LoopThread) -> None:
        self.calls = calls
        self.store = Store(folder / "store")
        ledger, waiters = Ledger(self.store, Rules()), Waiters()
        ledger.listen(lambda events: wake_waiters(waiters, events))
        self.jobs = JobQueue(ledger, waiters, 15.0)
        calls.answer(self.jobs.submit(make_spec("job", None, carried=True)))

    def put(self, start: int) -> int:
        return self.calls.answer(self.jobs.put("job", start, pack_batch([b"%d" % start])))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with LoopThread() as calls:
        site = Site(tmp_path, calls)
        yield site
        site.store.close()


def test_batches_that_come_before_their_turn_wait_for_those_before_them(site: Site) -> None:
    early = [
        site.calls.begin(site.jobs.put("job", start, pack_batch([b"%d" % start])))
        for start in (3, 1, 2)
    ]
    site.calls.settle()
    assert not any(answer.done() for answer in early)
    assert site.put(0) == 1
    assert [answer.result(20.0) for answer in early] == [4, 2, 3]
    site.calls.answer(site.jobs.seal("job", 4))
    batches = site.store.reader.read_inputs("job", 0, 4) or ()
    assert [item for batch in batches for item in unpack_batch(batch)] == [b"0", b"1", b"2", b"3"]


def test_a_batch_whose_turn_does_not_come_is_to_be_sent_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "TURN_SECONDS", 0.0)
    with pytest.raises(SpoolFullError, match="none can begin at 1"):
        site.put(1)
    site.put(0)
    assert site.put(1) == 2


def test_a_job_that_is_whole_has_no_turn_to_wait_for(site: Site) -> None:
    site.put(0)
    site.calls.answer(site.jobs.seal("job", 1))
    with pytest.raises(JobStateError, match="none can begin at 2"):
        site.put(2)
