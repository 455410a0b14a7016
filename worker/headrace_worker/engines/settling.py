"""The batches that an engine holds, and the outcomes of their tasks: each task has one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from headrace_wire.messages.failures import Reason, TaskFailure
from headrace_wire.messages.reports import DoneSpan, ReturnedSpan
from headrace_worker.link.failure import MESSAGE_CHARACTERS, SUMMARY_CHARACTERS, clip
from headrace_worker.link.messages import TaskFailed, TasksDone
from headrace_worker.pool.backlog import Span, return_spans
from headrace_worker.pool.batch import Batch, Event, make_event
from headrace_worker.pool.dispatch import Paces
from headrace_worker.pool.tally import Tally
from headrace_worker.prefetch import Times, mix_times


class Settling:
    """Batches with tasks that have no outcome yet, and outcomes that nobody has taken yet."""

    def __init__(self) -> None:
        self.batches: dict[int, Batch] = {}
        self.paces = Paces()
        self.tally = Tally()
        self._events: list[Event] = []

    def add(self, batch: Batch) -> None:
        """Add a batch. Raises ValueError if it was added before."""
        if batch.key in self.batches:
            raise ValueError(f"batch {batch.key} is already held by the engine")
        self.batches[batch.key] = batch
        batch.remaining = batch.stop - batch.start

    def cancel(self, job: str) -> None:
        """Remove the batches of a job, whose tasks get no more outcomes."""
        for batch in list(self.batches.values()):
            if batch.job == job:
                batch.cancelled = True
                del self.batches[batch.key]

    def take_events(self) -> list[Event]:
        """Take the outcomes since the last call."""
        events, self._events = self._events, []
        return events

    def settle(self, batch: Batch, message: TasksDone | TaskFailed) -> None:
        """Record the outcome of tasks that ran to their end."""
        if isinstance(message, TasksDone):
            self.tally.add_done(batch, message)
        else:
            self.tally.add_failed(batch, message.cpu_seconds)
        self._note(batch, make_event(batch, message), len(message.indices))

    def fail(
        self,
        span: Span,
        reason: Reason,
        message: str,
        *,
        seconds: float = 0.0,
        error_type: str = "",
        signal: str = "",
    ) -> None:
        """Record that the tasks of a span have failed, after this many seconds."""
        batch = span.batch
        for index in range(span.start, span.stop):
            failed = TaskFailure(
                lease=batch.key,
                job=batch.job,
                index=index,
                attempt=batch.attempt,
                reason=reason,
                signal=signal,
                error_type=clip(error_type, SUMMARY_CHARACTERS),
                message=clip(message, MESSAGE_CHARACTERS),
                busy_seconds=seconds,
            )
            self._note(batch, failed, 1)

    def give_back(self, spans: Iterable[Span]) -> None:
        """Return the tasks of spans to the coordinator, because they did not run to their end
        here.
        """
        self._events += self.hand_back(spans)

    def hand_back(self, spans: Iterable[Span]) -> list[ReturnedSpan]:
        """Remove the tasks of spans. Returns the events that report this."""
        return return_spans(spans, self._count_off)

    def find_times(self) -> Times | None:
        """Return how long the tasks without an outcome take; None if not known."""
        tasks: Counter[str] = Counter()
        for batch in self.batches.values():
            tasks[batch.job] += batch.remaining
        if not tasks:
            return self.paces.latest.times
        return mix_times([(self.paces.times_of(job), count) for job, count in tasks.items()])

    def find_means(self) -> dict[str, float | None]:
        """Return the mean duration of a task, in seconds, of each job that has tasks here; None if
        not known.
        """
        jobs = {batch.job for batch in self.batches.values()}
        return {job: self.paces.mean_of(job) for job in jobs}

    def _note(self, batch: Batch, event: DoneSpan | TaskFailure, tasks: int) -> None:
        if event.busy_seconds:
            self.paces.observe(event.job, tasks, event.busy_seconds)
        self._events.append(event)
        self._count_off(batch, tasks)

    def _count_off(self, batch: Batch, tasks: int) -> None:
        batch.remaining -= tasks
        if not batch.remaining:
            del self.batches[batch.key]
