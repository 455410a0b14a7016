"""The log of what happens to workers and jobs, a line each. Tasks are too many for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from headrace_coordinator.queue.events import (
    CountersRefused,
    Event,
    JobDeleted,
    JobExpired,
    JobSubmitted,
    WorkerGone,
    WorkerJoined,
    WorkHeld,
)
from headrace_wire.bounds import MAX_COUNTERS
from headrace_wire.words import count

log = logging.getLogger(__name__)


def log_events(events: Sequence[Event]) -> None:
    """Write a line for each event that people want to know of."""
    for event in events:
        match event:
            case WorkerJoined():
                log.info("worker %s is here with %s", event.name, count(event.slots, "slot"))
            case WorkHeld() if event.why:
                log.warning("work waits: %s", event.why)
            case WorkerGone():
                level = logging.WARNING if event.silent else logging.INFO
                how = "fell silent" if event.silent else "left"
                tasks = count(event.tasks, "task goes", "tasks go")
                log.log(level, "worker %s %s; %s to others", event.name, how, tasks)
            case JobSubmitted():
                spec = event.spec
                log.info("job %s: %s %s", spec.id, spec.service, spec.operation)
            case CountersRefused():
                log.warning(
                    "job %s counts under more than %d names: %r and later ones are dropped",
                    event.job, MAX_COUNTERS, event.name,
                )  # fmt: skip
            case JobExpired():
                size = count(event.result_bytes, "byte")
                log.info("job %s expires with %s of results", event.job, size)
            case JobDeleted():
                log.info("job %s is deleted", event.job)
            case _:
                pass  # for store, metrics and waiting calls
