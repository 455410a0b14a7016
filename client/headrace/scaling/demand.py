"""How much of the work new workers could do, and how much of that others do in time.

Work is no reason for more workers if no worker of the fleet offers its service, or if it has a time
limit that their engine does not support. As long as no worker of the fleet was seen, it is not
known what they offer: then all work counts, and the first worker will show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from headrace_wire.engines import keeps_limits
from headrace_wire.messages.views import Backlog
from headrace_wire.messages.workers import WorkerStatus
from headrace_wire.words import count

#: How many kinds of work are listed in one line.
NAMED = 3


class Demand(Struct, frozen=True):
    """The work for the fleet: in seconds of one slot, and in tasks.

    ``others_seconds`` of it are done in time by workers outside the fleet, which have
    ``other_slots`` for it. ``unschedulable`` is the work that no worker at all could do.
    """

    work_seconds: float
    tasks: int
    others_seconds: float = 0.0
    other_slots: int = 0
    unschedulable: tuple[Backlog, ...] = ()

    @property
    def uncounted(self) -> int:
        """How many tasks are unschedulable."""
        return sum(part.tasks for part in self.unschedulable)

    def describe_unschedulable(self) -> str:
        """Return what is not counted because no worker could do it; "" for nothing."""
        if not self.unschedulable:
            return ""
        kinds = [
            f"{part.service!r}{' with a time limit' if part.is_limited else ''}"
            for part in self.unschedulable
        ]
        more = f" and {len(kinds) - NAMED} more" if len(kinds) > NAMED else ""
        tasks = count(self.uncounted, "task")
        return f"{tasks} of {', '.join(kinds[:NAMED])}{more}, which no worker here can run"


def offers(worker: WorkerStatus, part: Backlog) -> bool:
    """Return whether a worker can run such tasks."""
    return part.service in worker.engines and (not part.is_limited or keeps_limits(worker.engine))


def measure_demand(
    work_seconds: float,
    tasks: int,
    backlogs: Sequence[Backlog],
    ours: Sequence[WorkerStatus],
    others: Iterable[WorkerStatus],
    target_seconds: float,
) -> Demand:
    """Measure the demand in the work, of which ``backlogs`` are the parts.

    Without parts there is no work, or an older coordinator does not send them; then
    ``work_seconds`` and ``tasks`` are used. ``ours`` are workers like those that would be new, if
    there are any, and ``others`` are those outside the fleet that accept work.
    """
    others = [worker for worker in others if worker.slots]
    if not backlogs:
        slots = sum(worker.slots for worker in others)
        return Demand(work_seconds, tasks, min(work_seconds, slots * target_seconds), slots)
    foreign = [part for part in backlogs if ours and not any(offers(one, part) for one in ours)]
    counted = [part for part in backlogs if part not in foreign]
    left = {part: part.seconds for part in counted}
    helping = [worker for worker in others if any(offers(worker, part) for part in left)]
    # First those that can do the smallest part, so that the rest gets what they cannot do.
    helping.sort(key=lambda worker: sum(offers(worker, part) for part in left))
    for worker in helping:
        room = worker.slots * target_seconds
        for part, rest in left.items():
            if offers(worker, part):
                taken = min(room, rest)
                left[part] = rest - taken
                room -= taken
    return Demand(
        sum(part.seconds for part in counted),
        sum(part.tasks for part in counted),
        sum(part.seconds - left[part] for part in counted),
        sum(worker.slots for worker in (helping if left else others)),
        tuple(part for part in foreign if not any(offers(one, part) for one in others)),
    )
