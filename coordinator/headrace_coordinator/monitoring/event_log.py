"""The log of events of workers and jobs, and of tasks that fail for good, one line each.

Other events of tasks are not logged, because there are too many.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from headrace_coordinator.event_rate import EventRateLimit
from headrace_coordinator.failure_burst import FailureBurst
from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_wire.bounds import MAX_COUNTERS
from headrace_wire.failures import describe_error
from headrace_wire.log_format import about
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import FAILED, JobStatus
from headrace_wire.printing import clean_line
from headrace_wire.words import count

log = logging.getLogger(__name__)

#: The kinds of events that others can cause in any number.
LIMITED: frozenset[type[Event]] = frozenset(
    {
        events.WorkerJoined,
        events.LeasesUnproven,
        events.WorkerDraining,
        events.WorkerGone,
        events.JobSubmitted,
        events.TaskDead,
        events.JobUnschedulable,
        events.JobEnded,
        events.CountersRefused,
        events.JobExpired,
        events.JobDeleted,
    }
)

#: The maximum number of characters of a failure's message.
MOST_MESSAGE_CHARACTERS = 300


class EventLog:
    """Writes the log, but only a limited number of lines of each kind, because there may be
    thousands of small jobs per second, and the disk is finite.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rate_limits: dict[type[Event], EventRateLimit] = {}

    def note(self, happened: Sequence[Event]) -> None:
        """Write lines for these events. If there are too many, write how many were left out."""
        kept: list[Event] = []
        now = self._clock()
        for event in happened:
            kind = type(event)
            if kind not in LIMITED:
                kept.append(event)
                continue
            rate_limit = self._rate_limits.get(kind) or self._rate_limits.setdefault(
                kind, EventRateLimit(now)
            )
            if rate_limit.take(now):
                if rate_limit.left_out:
                    lines = count(rate_limit.left_out, "line was", "lines were")
                    log.info("%s left out about events such as the next", lines)
                    rate_limit.left_out = 0
                kept.append(event)
        log_events(kept)


def log_events(happened: Sequence[Event]) -> None:
    """Write a line for each event that concerns people."""
    bursts: defaultdict[str, FailureBurst] = defaultdict(FailureBurst)
    for event in happened:
        match event:
            case events.WorkerJoined():
                slots = count(event.slots, "slot")
                extra = about(worker=event.name)
                log.info("worker %s is here with %s", event.name, slots, extra=extra)
            case events.LeasesUnproven():
                key = f" (key {event.key})" if event.key else ""
                log.warning(
                    "worker %s%s claims %s from before this coordinator was started without a "
                    "proof that holds here: their tasks are done again",
                    event.worker, key, count(event.leases, "lease"),
                    extra=about(worker=event.worker),
                )  # fmt: skip
            case events.WorkHeld() if event.why:
                log.warning("work waits: %s", event.why)
            case events.JobUnschedulable():
                extra = about(job=event.job)
                log.warning("job %s waits: %s", event.job, event.why, extra=extra)
            case events.WorkerDraining():
                extra = about(worker=event.name)
                log.info("worker %s drains: it takes nothing new", event.name, extra=extra)
            case events.WorkerGone():
                level = logging.WARNING if event.silent else logging.INFO
                how = "fell silent" if event.silent else "left"
                tasks = count(event.tasks, "task goes", "tasks go")
                extra = about(worker=event.name)
                log.log(level, "worker %s %s; %s to others", event.name, how, tasks, extra=extra)
            case events.JobSubmitted():
                spec = event.spec
                extra = about(spec.id)
                work = spec.function or spec.operation
                log.info("job %s: %s %s", spec.id, spec.service, work, extra=extra)
            case events.TaskDead():
                if bursts[event.failure.job].add(event.failure):
                    _log_death(event.failure)
            case events.JobEnded():
                if burst := bursts.pop(event.status.id, None):  # they come first
                    _log_others(event.status.id, burst)
                _log_end(event.status)
            case events.CountersRefused():
                log.warning(
                    "job %s counts under more than %d names: %r and later ones are dropped",
                    event.job, MAX_COUNTERS, event.name, extra=about(event.job),
                )  # fmt: skip
            case events.JobExpired():
                size = count(event.result_bytes, "byte")
                log.info(
                    "job %s expires with %s of results", event.job, size, extra=about(event.job)
                )
            case events.JobDeleted():
                log.info("job %s is deleted", event.job, extra=about(event.job))
            case _:
                pass  # for the store, metrics and waiting calls
    for job, burst in bursts.items():
        _log_others(job, burst)


def _log_others(job: str, burst: FailureBurst) -> None:
    if more := burst.sum_up():
        line = clean_line(more[:MOST_MESSAGE_CHARACTERS])
        log.warning("job %s: %s", job, line[:MOST_MESSAGE_CHARACTERS], extra=about(job))


def _log_death(failure: TaskFailure) -> None:
    # This is one line without control characters, whatever the task has said.
    line = clean_line(describe_error(failure)[:MOST_MESSAGE_CHARACTERS])
    log.warning(
        "job %s: task %d failed for good at attempt %d on worker %s (%s): %s",
        failure.job, failure.index, failure.attempt, failure.worker or "-",
        failure.signal or failure.reason, line[:MOST_MESSAGE_CHARACTERS],
        extra=about(failure.job, failure.index, failure.attempt, failure.worker),
    )  # fmt: skip


def _log_end(status: JobStatus) -> None:
    because = f"; {status.ended_because}" if status.ended_because else ""
    log.log(
        logging.WARNING if status.state == FAILED else logging.INFO,
        "job %s %s after %.3f s: %d done, %d failed, %d cancelled; %.3f s CPU in slots%s",
        status.id, status.state, status.wall_seconds or 0.0, status.done, status.failed,
        status.cancelled, status.cpu_seconds, because, extra=about(status.id),
    )  # fmt: skip
