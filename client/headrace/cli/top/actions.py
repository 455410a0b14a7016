"""What can be done with jobs and workers. Each action asks once, and reports what it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from headrace.cli.printing import explain
from headrace.cli.show import describe_progress, describe_work
from headrace_wire.api import JobQueueApi
from headrace_wire.errors import HeadraceError
from headrace_wire.messages.jobs import CANCELLED, FINAL_STATES, SUCCEEDED, JobStatus
from headrace_wire.timeouts import Limit

if TYPE_CHECKING:
    from headrace.cli.top.view import JobsCaller

#: How many seconds the coordinator may take for an action.
ACTION_SECONDS = 30.0


class Action(Struct, frozen=True):
    """An action on a job: the word for it, what it means, and how it is done."""

    word: str
    meaning: str
    carry_out: Callable[[JobsCaller, str], Awaitable[JobStatus | None]]
    find_needless: Callable[[JobStatus], str] = lambda _: ""
    """Returns why the action is not needed; "" if it is."""

    def ask(self, status: JobStatus) -> str:
        """Return the question to the user."""
        named = f", {status.name}" if status.name else ""
        return f"{self.word} job {status.id} ({describe_work(status)}{named})? {self.meaning}"


async def carry_out(action: Action, jobs: JobsCaller, job: str) -> tuple[str, bool]:
    """Do it. Returns a text about the result, and whether it was done."""
    try:
        with Limit.after(ACTION_SECONDS).applied():
            status = await action.carry_out(jobs, job)
    except HeadraceError as error:
        return f"{action.word.lower()}: {explain(error)}", False
    if status is None:
        return f"job {job} is deleted", True
    if action is CANCEL and status.state != CANCELLED:
        return f"job {job} had ended before: it is {status.state}", True
    return describe_progress(status), True


async def drain(jobs: JobsCaller, worker: str) -> str:
    """Make a worker finish what it runs, and end. Returns a text about the result."""
    try:
        with Limit.after(ACTION_SECONDS).applied():
            status = await jobs.call(JobQueueApi.drain, worker)
    except HeadraceError as error:
        return f"drain: {explain(error)}"
    return f"worker {status.name} takes nothing new, and goes when it has finished"


async def _cancel(jobs: JobsCaller, job: str) -> JobStatus:
    return await jobs.call(JobQueueApi.cancel, job)


async def _retry(jobs: JobsCaller, job: str) -> JobStatus:
    return await jobs.call(JobQueueApi.retry, job)


async def _replay(jobs: JobsCaller, job: str) -> JobStatus:
    return await jobs.call(JobQueueApi.replay, job)


def _needs_no_cancel(status: JobStatus) -> str:
    if status.state in FINAL_STATES:
        return f"job {status.id} has ended: it is {status.state}, and there is nothing to cancel"
    return ""


def _needs_no_retry(status: JobStatus) -> str:
    if status.state not in FINAL_STATES:
        return f"job {status.id} is {status.state}: only a job that has ended can be retried"
    if status.state == SUCCEEDED:
        return f"all of job {status.id} is done: there is nothing to retry"
    return ""


def _needs_no_replay(status: JobStatus) -> str:
    return "" if status.failed else f"no task of job {status.id} has failed: nothing to replay"


async def _delete(jobs: JobsCaller, job: str) -> None:
    await jobs.call(JobQueueApi.delete, job)


CANCEL = Action(
    "Cancel", "Running tasks are stopped; what is done stays done.", _cancel, _needs_no_cancel
)
RETRY = Action(
    "Retry", "Its failed and cancelled tasks run again, once it has ended.", _retry, _needs_no_retry
)
REPLAY = Action(
    "Replay", "Its failed tasks run again, with fresh attempts.", _replay, _needs_no_replay
)
DELETE = Action("Delete", "It is stopped, and its results are gone.", _delete)
