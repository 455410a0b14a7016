"""What the result queue answers to a client that collects the outcomes of its job."""

from __future__ import annotations

from pathlib import Path

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving.job_queue import JobQueue
from headrace_coordinator.serving.result_queue import ResultQueue
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.store.store import Store
from headrace_wire.batch import pack_batch
from headrace_wire.messages.failures import ERROR, TaskFailure
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan, Report
from headrace_wire.messages.results import Collected, CollectRequest
from support.loop_thread import LoopThread
from support.queue_builders import make_spec, make_worker


def test_failures_come_with_the_piece_that_plans_the_next_ones(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    ledger, waiters = Ledger(store, Rules()), Waiters()
    jobs, results = JobQueue(ledger, waiters, 15.0), ResultQueue(ledger, waiters)

    async def make_job() -> None:
        await jobs.submit(make_spec("job", tasks=2, owned=True))
        jobs.register(make_worker("w"), ())
        (lease,) = (await jobs.lease(LeaseRequest("w", 2, 2, 0.0, ()))).leases
        done = DoneSpan(lease.id, "job", 0, 1, pack_batch([b"value"]), 1.0, 1.0)
        failure = TaskFailure(
            lease.id, "job", 1, lease.attempt, ERROR, "", "ValueError", "no", "", "", "w"
        )
        await results.report(Report("w", 1, (done,), (failure,), (), ()))

    with LoopThread() as calls:
        calls.answer(make_job())

        def collect(failure_cursor: int, pieces: int) -> Collected:
            request = CollectRequest(
                "job", 0, failure_cursor, 1000, 0.0, 0.0, (), pieces=pieces, until=1
            )
            return calls.answer(results.collect(request))

        assert collect(0, 0).failures == ()
        planned = collect(0, 1)
        assert [failure.index for failure in planned.failures] == [1]
        assert collect(planned.failure_cursor, 1).failures == ()
    store.close()
