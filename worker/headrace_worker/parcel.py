"""What one report carries, and what becomes of it where it cannot be delivered.

    Parcel ─ refused ─► split: halves, and halves of those ─► one outcome that is refused by itself
                                                                │
                                     substitute: its task failed, and why

So what is wrong with one outcome costs that task alone, and neither the others nor the worker.
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

#: What a report carries: log lines and metrics beside outcomes.
Item = JobLines | Event | Sample


class Parcel(Struct, frozen=True):
    """What goes in one report: log lines before outcomes, and samples after them.

    ``tried``: it was refused before. ``last``: what is refused of it now is given up.
    """

    items: Sequence[Item]
    tried: bool = False
    last: bool = False

    def split(self) -> list[Parcel]:
        """Divide it, in the order in which the parts are to go; nothing where it is one thing."""
        middle = len(self.items) // 2
        halves: list[Sequence[Item]] = [self.items[:middle], self.items[middle:]]
        if not middle:
            halves = [[half] for half in _divide(self.items[0])]
        return [Parcel(half) for half in halves]


def measure(event: Event) -> int:
    """About how many bytes an outcome takes in a report."""
    if isinstance(event, DoneSpan):
        return len(event.values)
    if isinstance(event, TaskFailure):
        return len(event.detail) + len(event.traceback) + len(event.message)
    return 0


def substitute(event: Event, attempt: int, error: Exception) -> TaskFailure | None:
    """What is reported in place of an outcome that is refused by itself; None for nothing."""
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
    """Divide one thing in two; nothing where it has no parts."""
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
            # Counters are of the whole run: nobody knows any more which task they grew in. The same
            # is so of durations.
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
