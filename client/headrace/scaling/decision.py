"""How many workers there should be, decided from what is seen; no clocks and no network in here.

    Sight, Past ─► decide ─► Decision: more workers, or which of them go, and why

The number that is needed is the work that waits or runs, in slot seconds, over the seconds in which
it should be done, and never less than what is busy. More are asked for at once, up to twice as many
as there are, since the first estimates of a job are rough. Fewer are enough when for a whole
cooldown no moment needed more.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, inf

from msgspec import Struct
from msgspec.structs import replace

from headrace_wire.words import count, format_seconds

#: By so much of what there is the need may be off before anything is done.
TOLERANCE = 0.1

#: Seconds at least after which workers that were asked for and have not come are asked for again.
START_SECONDS = 120.0

#: So many workers may be asked for at once where there are fewer than half of them.
LEAST_STEP = 2


class Bounds(Struct, frozen=True):
    """What the number of workers is kept within, and how it is chosen; times are in seconds."""

    least: int
    most: int
    target_seconds: float = 60.0
    cooldown_seconds: float = 300.0


class Candidate(Struct, frozen=True):
    """A connected worker. ``connected_at`` is a Unix time, ``busy`` counts slots."""

    id: str
    name: str
    host: str
    slots: int
    busy: int
    is_draining: bool
    connected_at: float


class Sight(Struct, frozen=True):
    """What there is at a moment, which is monotonic.

    ``work_seconds`` is for how long one slot would be busy with what waits or runs and our workers
    can do, ``tasks`` how many those are. ``other_slots`` are those of workers that are none of ours
    and help with it; in the target time they do ``others_seconds`` of it. ``held`` says why work
    waits although there are slots, or is "". ``is_working``: tasks have ended of late. ``stranded``
    says what waits beside that, or is "", and ``uncounted`` how many tasks those are.
    """

    at: float
    work_seconds: float
    tasks: int
    workers: tuple[Candidate, ...]
    other_slots: int = 0
    held: str = ""
    is_working: bool = False
    others_seconds: float = 0.0
    stranded: str = ""
    uncounted: int = 0

    @property
    def open_workers(self) -> list[Candidate]:
        """The workers that take work."""
        return [worker for worker in self.workers if not worker.is_draining]


class Past(Struct, frozen=True):
    """What is remembered: how many were needed when, since when that is known, how many were asked
    for last and when, and how many slots a worker has.
    """

    needs: tuple[tuple[float, int], ...] = ()
    since: float | None = None
    asked: int | None = None
    asked_at: float = -inf
    slots_each: float = 0.0

    def forget(self) -> Past:
        """What is left when nothing is seen: once it is again, nobody goes for a cooldown."""
        return replace(self, needs=(), since=None)


class Decision(Struct, frozen=True):
    """So many workers should take work, and so many do ``now``.

    Those that are ``leaving`` are to be drained and removed. Unless ``is_change`` nothing is to be
    done. ``why`` says it for people. ``uncounted`` tasks wait that no worker can run.
    """

    workers: int
    why: str
    past: Past
    is_change: bool = False
    leaving: tuple[Candidate, ...] = ()
    now: int = 0
    uncounted: int = 0

    def describe(self) -> str:
        """The decision in one line."""
        if not self.is_change:
            return f"{count(self.now, 'worker')}, no change: {self.why}"
        gone = ", ".join(worker.name for worker in self.leaving)
        drained = f"; drained first: {gone}" if gone else ""
        return f"from {count(self.now, 'worker')} to {self.workers}: {self.why}{drained}"


def decide(sight: Sight, bounds: Bounds, past: Past) -> Decision:
    """Decide how many workers there should be."""
    decision = _decide(sight, bounds, past)
    return replace(decision, now=len(sight.open_workers), uncounted=sight.uncounted)


def _decide(sight: Sight, bounds: Bounds, past: Past) -> Decision:
    open_workers = sight.open_workers
    current = len(open_workers)
    if open_workers:
        slots_each = sum(worker.slots for worker in open_workers) / current
        past = replace(past, slots_each=max(1.0, slots_each))
    need = _find_need(sight, bounds, past)
    since = sight.at if past.since is None else past.since
    needs = _remember(past.needs, sight.at, need, bounds.cooldown_seconds)
    past = replace(past, needs=needs, since=since)
    told = _describe(sight, bounds)
    if current < bounds.least and need == bounds.least:
        told = f"{count(bounds.least, 'worker')} at least; {told}"
    if need > current or current < bounds.least:
        return _grow(sight, bounds, past, max(need, bounds.least), told)
    if current > bounds.most:
        return _shrink(sight, bounds.most, past, f"{count(bounds.most, 'worker')} at most")
    enough = max(number for _, number in needs)
    if enough >= current:
        return Decision(current, told, past)
    settled_at = max(since, past.asked_at) + bounds.cooldown_seconds
    if sight.at < settled_at:
        left = format_seconds(settled_at - sight.at)
        return Decision(current, f"{told}; {need} would do, if that is so for {left} more", past)
    return _shrink(sight, enough, past, told)


def choose_leaving(workers: Iterable[Candidate], number: int) -> tuple[Candidate, ...]:
    """Choose workers that go: those that do the least first, and of these the newest."""
    order = sorted(workers, key=lambda one: (one.busy, -one.connected_at, one.id))
    return tuple(order[:number])


def _find_need(sight: Sight, bounds: Bounds, past: Past) -> int:
    """How many workers would do the work in time, within the bounds."""
    busy = sum(worker.busy for worker in sight.open_workers)
    if not sight.tasks:
        return max(bounds.least, int(sight.is_working and not sight.other_slots))
    in_time = (sight.work_seconds - sight.others_seconds) / bounds.target_seconds
    slots = min(max(in_time, busy), sight.tasks)
    if not past.slots_each:  # the first one will tell how many slots it has
        return min(max(bounds.least, int(slots > 0)), bounds.most)
    current = len(sight.open_workers)
    if abs(slots - current * past.slots_each) <= TOLERANCE * current * past.slots_each:
        need = current
    else:
        need = ceil(slots / past.slots_each)
    least = bounds.least if sight.other_slots else max(1, bounds.least)
    return min(max(need, least), bounds.most)


def _remember(
    needs: tuple[tuple[float, int], ...], at: float, need: int, seconds: float
) -> tuple[tuple[float, int], ...]:
    """The needs of the last seconds, of which those are left out that a later one is not below."""
    return (
        *((moment, number) for moment, number in needs if moment > at - seconds and number > need),
        (at, need),
    )


def _grow(sight: Sight, bounds: Bounds, past: Past, need: int, told: str) -> Decision:
    current = len(sight.open_workers)
    if sight.held and current >= bounds.least:
        return Decision(current, f"{told}; more would not help: {sight.held}", past)
    is_recent = sight.at < past.asked_at + max(bounds.cooldown_seconds, START_SECONDS)
    asked = min(past.asked or 0, bounds.most)
    wanted = min(need, max(2 * max(current, asked), LEAST_STEP, bounds.least))
    if past.since == sight.at:  # a program before this one may have asked for more, which will come
        wanted = need
    wanted = max(wanted, asked)  # to ask for less would take away some that nobody has drained
    if is_recent and past.asked is not None and wanted <= past.asked:
        coming = count(past.asked - current, "worker")
        return Decision(current, f"{told}; {coming} more were asked for before", past)
    past = replace(past, asked=wanted, asked_at=sight.at)
    return Decision(wanted, told, past, is_change=True)


def _shrink(sight: Sight, wanted: int, past: Past, told: str) -> Decision:
    open_workers = sight.open_workers
    leaving = choose_leaving(open_workers, len(open_workers) - wanted)
    past = replace(past, asked=wanted, asked_at=sight.at)
    return Decision(wanted, told, past, is_change=True, leaving=leaving)


def _describe(sight: Sight, bounds: Bounds) -> str:
    """What there is to do, for people."""
    beside = f"; not counted: {sight.stranded}" if sight.stranded else ""
    if not sight.tasks:
        return f"{'all work is done' if sight.is_working else 'there is no work'}{beside}"
    slots = sum(worker.slots for worker in sight.open_workers) + sight.other_slots
    lasts = format_seconds(sight.work_seconds / max(1, slots))
    work = f"work for {lasts} on {count(slots, 'slot')}" if slots else "work and no slot"
    tasks, target = count(sight.tasks, "task"), format_seconds(bounds.target_seconds)
    return f"{work} ({tasks}), to be done in {target}{beside}"
