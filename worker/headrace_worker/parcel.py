"""What one report carries, and what becomes of it where it cannot be delivered.

    Parcel ─ refused ─► split: halves, and halves of those ─► one outcome that is refused by itself
                                                                │
                                     substitute: its task failed, and why

So what is wrong with one outcome costs that task alone, and neither the others nor the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from headrace_wire.batch import slice_batch
from headrace_wire.messages import DoneRun, JobLines, ReturnedRun, Sample, TaskFailure
from headrace_worker.link.failure import MESSAGE_CHARACTERS, SUMMARY_CHARACTERS, clip
from headrace_worker.pool.batch import Event, make_failure

T = TypeVar("T")


class Parcel(Struct, frozen=True):
    """Outcomes, log lines and samples that go in one report.

    ``tried``: it was refused before. ``last``: what is refused of it now is given up.
    """

    events: Sequence[Event] = ()
    logs: tuple[JobLines, ...] = ()
    samples: tuple[Sample, ...] = ()
    tried: bool = False
    last: bool = False

    def name_kind(self) -> str:
        """Say in a word what it carries."""
        return "an outcome" if self.events else "log lines" if self.logs else "metrics"

    def split(self) -> list[Parcel]:
        """Divide it, in the order in which the parts are to go; nothing where it is one thing."""
        kinds = [
            Parcel(logs=self.logs),
            Parcel(events=self.events),
            Parcel(samples=self.samples),
        ]
        kinds = [one for one in kinds if one.events or one.logs or one.samples]
        if len(kinds) > 1:
            return kinds
        if self.events:
            return [Parcel(events=half) for half in _halve_events(self.events)]
        if self.logs:
            return [Parcel(logs=half) for half in _halve_lines(self.logs)]
        return [Parcel(samples=tuple(half)) for half in _halve(self.samples)]


def measure(event: Event) -> int:
    """About how many bytes an outcome takes in a report."""
    if isinstance(event, DoneRun):
        return len(event.values)
    if isinstance(event, TaskFailure):
        return len(event.detail) + len(event.traceback) + len(event.message)
    return 0


def substitute(event: Event, attempt: int, error: Exception) -> TaskFailure | None:
    """What is reported in place of an outcome that is refused by itself; None for nothing."""
    message = clip(f"its outcome could not be reported: {error}", MESSAGE_CHARACTERS)
    match event:
        case DoneRun():
            kind = type(error).__qualname__
            return make_failure(
                event.lease, event.job, event.start, attempt, message, error_type=kind
            )
        case TaskFailure():
            kind = clip(event.error_type, SUMMARY_CHARACTERS).encode("ascii", "replace").decode()
            failed = make_failure(
                event.lease,
                event.job,
                event.index,
                event.attempt,
                message,
                reason=event.reason,
                error_type=kind,
            )
            return replace(failed, signal=event.signal)
        case ReturnedRun():
            return None


def _halve(items: Sequence[T]) -> list[Sequence[T]]:
    middle = len(items) // 2
    return [items[:middle], items[middle:]] if middle else []


def _halve_events(events: Sequence[Event]) -> list[Sequence[Event]]:
    if len(events) > 1:
        return _halve(events)
    (event,) = events
    if not isinstance(event, DoneRun) or event.stop - event.start == 1:
        return []
    return [[half] for half in _halve_run(event)]


def _halve_run(run: DoneRun) -> list[DoneRun]:
    tasks = run.stop - run.start
    middle = tasks // 2
    share = middle / tasks
    return [
        replace(
            run,
            stop=run.start + middle,
            values=slice_batch(run.values, 0, middle),
            cpu_seconds=run.cpu_seconds * share,
            busy_seconds=run.busy_seconds * share,
        ),
        # Counters are of the whole run: nobody knows any more which task they grew in.
        replace(
            run,
            start=run.start + middle,
            values=slice_batch(run.values, middle, tasks),
            cpu_seconds=run.cpu_seconds * (1 - share),
            busy_seconds=run.busy_seconds * (1 - share),
            counters={},
        ),
    ]


def _halve_lines(logs: Sequence[JobLines]) -> list[tuple[JobLines, ...]]:
    if len(logs) > 1:
        return [tuple(half) for half in _halve(logs)]
    one = logs[0]
    middle = len(one.lines) // 2
    if not middle:
        return []
    return [
        (replace(one, lines=one.lines[:middle]),),
        (replace(one, lines=one.lines[middle:], dropped=0),),
    ]
