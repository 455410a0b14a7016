"""The contents of one report, and what happens to them if it cannot be delivered.

    Parcel ─ refused ─► split: halves, and halves of those ─► one outcome that is refused by itself
                                                                │
                                     substitute: its task failed, and why

So an invalid outcome affects only its task, but no others, and not the worker.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from headrace_wire.batch import slice_batch
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.logs import JobLines
from headrace_wire.messages.reports import DoneSpan, ReturnedSpan, Sample
from headrace_worker.link.failure import MESSAGE_CHARACTERS, SUMMARY_CHARACTERS, clip
from headrace_worker.pool.batch import Event

#: What a report contains: log lines and metrics besides outcomes.
Item = JobLines | Event | Sample


class Parcel(Struct, frozen=True):
    """The contents of one report: log lines come before outcomes, and samples after them.

    ``tried`` means that it was refused before, and ``last`` that what is refused now is given up.
    """

    items: Sequence[Item]
    tried: bool = False
    last: bool = False

    def split(self) -> list[Parcel]:
        """Split it into parts, in the order in which they are to be sent; into none if it is one
        item.
        """
        middle = len(self.items) // 2
        halves: list[Sequence[Item]] = [self.items[:middle], self.items[middle:]]
        if not middle:
            halves = [[half] for half in _divide(self.items[0])]
        return [Parcel(half) for half in halves]


def measure(event: Event) -> int:
    """Return the approximate size of an outcome in a report, in bytes."""
    if isinstance(event, DoneSpan):
        return len(event.values)
    if isinstance(event, TaskFailure):
        return len(event.detail) + len(event.traceback) + len(event.message)
    return 0


def substitute(event: Event, attempt: int, error: Exception) -> TaskFailure | None:
    """Return what is reported instead of an outcome that is refused; None for nothing."""
    message = clip(f"its outcome could not be reported: {error}", MESSAGE_CHARACTERS)
    match event:
        case DoneSpan():
            kind = type(error).__qualname__
            failed = TaskFailure(event.lease, event.job, event.start, attempt, "error")
        case TaskFailure():
            kind = clip(event.error_type, SUMMARY_CHARACTERS).encode("ascii", "replace").decode()
            failed = TaskFailure(event.lease, event.job, event.index, event.attempt, event.reason)
            failed = replace(failed, signal=event.signal)
        case ReturnedSpan():
            return None
    return replace(failed, error_type=kind, message=message)


def _divide(item: Item) -> tuple[Item, ...]:
    """Split one item in two; return an empty tuple if it has no parts."""
    if isinstance(item, JobLines) and len(item.lines) > 1:
        middle = len(item.lines) // 2
        return (
            replace(item, lines=item.lines[:middle]),
            replace(item, lines=item.lines[middle:]),
        )
    if isinstance(item, DoneSpan) and item.stop - item.start > 1:
        tasks = item.stop - item.start
        middle = tasks // 2
        share = middle / tasks
        return (
            replace(
                item,
                stop=item.start + middle,
                values=slice_batch(item.values, 0, middle),
                cpu_seconds=item.cpu_seconds * share,
                busy_seconds=item.busy_seconds * share,
                durations=(),
            ),
            # Counters belong to the whole run, and it is not known which task increased them. The
            # same is true of durations.
            replace(
                item,
                start=item.start + middle,
                values=slice_batch(item.values, middle, tasks),
                cpu_seconds=item.cpu_seconds * (1 - share),
                busy_seconds=item.busy_seconds * (1 - share),
                counters={},
                durations=(),
            ),
        )
    return ()
