"""Decides how many workers there should be from what was observed, without clocks or network.

Observation, History ─► decide ─► Decision: more workers, or which of them go, and why

The number of needed slots is the waiting and running work, in slot seconds, divided by the seconds
in which it should be done, but at least the number of busy slots. More workers are requested at
once, but at most twice as many as there are, because the first estimates of a job are rough. Their
number is reduced when fewer were enough at every moment of a whole cooldown.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, inf

from msgspec import Struct
from msgspec.structs import replace

from headrace_wire.words import count, format_seconds

#: The share of the current slots by which the need may differ before anything is done.
TOLERANCE = 0.1

#: After at least this many seconds, workers that were requested but have not come are requested
#: again.
START_SECONDS = 120.0

#: How many workers may be requested at once if there are fewer than half as many.
LEAST_STEP = 2


class Bounds(Struct, frozen=True):
    """The limits for the number of workers, and how it is chosen. Times are in seconds."""

    least: int
    most: int
    target_seconds: float = 60.0
    cooldown_seconds: float = 300.0


class Candidate(Struct, frozen=True):
    """A connected worker. ``connected_at`` is a Unix time, and ``busy`` is a number of slots."""

    id: str
    name: str
    host: str
    slots: int
    busy: int
    is_draining: bool
    connected_at: float


class Observation(Struct, frozen=True):
    """What is observed at the moment ``at`` (monotonic).

    ``work_seconds`` is how long one slot would be busy with the waiting and running work that our
    workers can do, and ``tasks`` is the number of its tasks. ``other_slots`` are those of workers
    that are not ours but help with it; they do ``others_seconds`` of it in the target time.
    ``held`` says why work waits although there are slots, or is "". ``is_working`` means that tasks
    have ended recently. ``unschedulable`` says what else waits, or is "", and ``uncounted`` is the
    number of those tasks.
    """

    at: float
    work_seconds: float
    tasks: int
    workers: tuple[Candidate, ...]
    other_slots: int = 0
    held: str = ""
    is_working: bool = False
    others_seconds: float = 0.0
    unschedulable: str = ""
    uncounted: int = 0

    @property
    def open_workers(self) -> list[Candidate]:
        """The workers that accept work."""
        return [worker for worker in self.workers if not worker.is_draining]


class History(Struct, frozen=True):
    """What is remembered between two decisions.

    It is how many workers were needed at which times, since when this is known, how many were last
    requested and when, and how many slots a worker has.
    """

    needs: tuple[tuple[float, int], ...] = ()
    since: float | None = None
    requested: int | None = None
    requested_at: float = -inf
    slots_each: float = 0.0

    def forget(self) -> History:
        """Return what is left if nothing can be observed: no worker goes for a cooldown then."""
        return replace(self, needs=(), since=None)


class Decision(Struct, frozen=True):
    """How many workers should accept work, and how many do ``now``.

    The workers in ``leaving`` are to be drained and removed. Nothing is to be done unless
    ``is_change``. ``why`` is the reason in words. No worker can run the ``uncounted`` tasks.
    """

    workers: int
    why: str
    history: History
    is_change: bool = False
    leaving: tuple[Candidate, ...] = ()
    now: int = 0
    uncounted: int = 0

    def describe(self) -> str:
        """Return the decision as one line."""
        if not self.is_change:
            return f"{count(self.now, 'worker')}, no change: {self.why}"
        gone = ", ".join(worker.name for worker in self.leaving)
        drained = f"; drained first: {gone}" if gone else ""
        return f"from {count(self.now, 'worker')} to {self.workers}: {self.why}{drained}"


def decide(observation: Observation, bounds: Bounds, history: History) -> Decision:
    """Decide how many workers there should be."""
    decision = _decide(observation, bounds, history)
    return replace(decision, now=len(observation.open_workers), uncounted=observation.uncounted)


def _decide(observation: Observation, bounds: Bounds, history: History) -> Decision:
    open_workers = observation.open_workers
    current = len(open_workers)
    if open_workers:
        slots_each = sum(worker.slots for worker in open_workers) / current
        history = replace(history, slots_each=max(1.0, slots_each))
    need = _find_need(observation, bounds, history)
    since = observation.at if history.since is None else history.since
    needs = _remember(history.needs, observation.at, need, bounds.cooldown_seconds)
    history = replace(history, needs=needs, since=since)
    reason = _describe(observation, bounds)
    if current < bounds.least and need == bounds.least:
        reason = f"{count(bounds.least, 'worker')} at least; {reason}"
    if need > current or current < bounds.least:
        return _grow(observation, bounds, history, max(need, bounds.least), reason)
    if current > bounds.most:
        return _shrink(observation, bounds.most, history, f"{count(bounds.most, 'worker')} at most")
    enough = max(number for _, number in needs)
    if enough >= current:
        return Decision(current, reason, history)
    settled_at = max(since, history.requested_at) + bounds.cooldown_seconds
    if observation.at < settled_at:
        left = format_seconds(settled_at - observation.at)
        return Decision(
            current, f"{reason}; {need} would do, if that is so for {left} more", history
        )
    return _shrink(observation, enough, history, reason)


def choose_leaving(workers: Iterable[Candidate], number: int) -> tuple[Candidate, ...]:
    """Choose the workers that go: the least busy ones first, and of these the newest."""
    order = sorted(workers, key=lambda one: (one.busy, -one.connected_at, one.id))
    return tuple(order[:number])


def _find_need(observation: Observation, bounds: Bounds, history: History) -> int:
    """Return how many workers would do the work in time, within the bounds."""
    busy = sum(worker.busy for worker in observation.open_workers)
    if not observation.tasks:
        return max(bounds.least, int(observation.is_working and not observation.other_slots))
    in_time = (observation.work_seconds - observation.others_seconds) / bounds.target_seconds
    slots = min(max(in_time, busy), observation.tasks)
    if not history.slots_each:  # the first one will show how many slots it has
        return min(max(bounds.least, int(slots > 0)), bounds.most)
    current = len(observation.open_workers)
    if abs(slots - current * history.slots_each) <= TOLERANCE * current * history.slots_each:
        need = current
    else:
        need = ceil(slots / history.slots_each)
    least = bounds.least if observation.other_slots else max(1, bounds.least)
    return min(max(need, least), bounds.most)


def _remember(
    needs: tuple[tuple[float, int], ...], at: float, need: int, seconds: float
) -> tuple[tuple[float, int], ...]:
    """Return the needs of the last seconds, without those that are not above a later one."""
    return (
        *((moment, number) for moment, number in needs if moment > at - seconds and number > need),
        (at, need),
    )


def _grow(
    observation: Observation, bounds: Bounds, history: History, need: int, reason: str
) -> Decision:
    current = len(observation.open_workers)
    if observation.held and current >= bounds.least:
        return Decision(current, f"{reason}; more would not help: {observation.held}", history)
    is_recent = observation.at < history.requested_at + max(bounds.cooldown_seconds, START_SECONDS)
    requested = min(history.requested or 0, bounds.most)
    wanted = min(need, max(2 * max(current, requested), LEAST_STEP, bounds.least))
    # An earlier process may have requested more, which will come.
    if history.since == observation.at:
        wanted = need
    wanted = max(wanted, requested)  # a lower number would remove some without draining them
    if is_recent and history.requested is not None and wanted <= history.requested:
        coming = count(history.requested - current, "worker")
        return Decision(current, f"{reason}; {coming} more were asked for before", history)
    history = replace(history, requested=wanted, requested_at=observation.at)
    return Decision(wanted, reason, history, is_change=True)


def _shrink(observation: Observation, wanted: int, history: History, reason: str) -> Decision:
    open_workers = observation.open_workers
    leaving = choose_leaving(open_workers, len(open_workers) - wanted)
    history = replace(history, requested=wanted, requested_at=observation.at)
    return Decision(wanted, reason, history, is_change=True, leaving=leaving)


def _describe(observation: Observation, bounds: Bounds) -> str:
    """Return what there is to do, in words."""
    beside = f"; not counted: {observation.unschedulable}" if observation.unschedulable else ""
    if not observation.tasks:
        return f"{'all work is done' if observation.is_working else 'there is no work'}{beside}"
    slots = sum(worker.slots for worker in observation.open_workers) + observation.other_slots
    lasts = format_seconds(observation.work_seconds / max(1, slots))
    work = f"work for {lasts} on {count(slots, 'slot')}" if slots else "work and no slot"
    tasks, target = count(observation.tasks, "task"), format_seconds(bounds.target_seconds)
    return f"{work} ({tasks}), to be done in {target}{beside}"
