"""Which tenant a slot works for: no slot ever works for two tenants.

A job names its tenant if it leaves something behind in the slot's process that other jobs must not
see, such as variables that an initializer has set. A slot is vacant until it is sent a task of a
tenant; from then on it is sent no other tasks. If tasks wait that no slot may run, a slot is
vacated: it exits, and a new one replaces it. This costs the start of a process and the time of the
initializer, so slots whose tenants have no work are vacated first, and others only after a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf

from headrace_worker.link.runners import KeptJobs
from headrace_worker.pool.backlog import Backlog, Span
from headrace_worker.pool.slot_process import SlotProcess

#: No tenant: for tasks that leave nothing behind, and slots that have run no others.
NOBODY = ""

#: How long, in seconds, tasks wait at least before a slot is taken from a tenant that has work.
HOLD_SECONDS = 1.0

#: A tenant keeps a slot at least for this many times as long as its first task took to begin.
HOLD_SHARE = 5.0

#: How long, in seconds, a slot without work is kept for its tenant while other tasks wait.
SPARE_SECONDS = 0.2

#: The number of tenants for which it is remembered how long their first tasks took to begin.
KEPT_TENANTS = 64


class Tenancy:
    """Decides what a slot may be sent, and which slots are to be vacated. Not thread-safe."""

    def __init__(self) -> None:
        self._waiting_since: dict[str, float] = {}
        self._idle_since: dict[SlotProcess, float] = {}
        self._setup_seconds: KeptJobs[float] = KeptJobs(KEPT_TENANTS)
        self._used = False
        #: When to check again, in monotonic seconds.
        self.due_seconds = inf

    def note_work(self, tenant: str) -> None:
        """Note that tasks of a tenant have arrived. Before the first, there is nothing to
        decide.
        """
        self._used = self._used or tenant != NOBODY

    def note_setup(self, tenant: str, seconds: float) -> None:
        """Note how long it took until a slot had done the first task of its tenant."""
        self._setup_seconds.keep(tenant, seconds)

    def choose(
        self, backlog: Backlog, slot: SlotProcess, slots: Sequence[SlotProcess]
    ) -> Span | None:
        """Choose the first tasks that a slot may be sent; None if there are none."""
        if not self._used:
            return backlog.head
        if slot.tenant != NOBODY:
            return next((one for one in backlog if one.batch.tenant == slot.tenant), None)
        # A vacant slot is for tenants that have none, and among these for the one that has waited
        # longest.
        served = {one.tenant for one in slots if one is not slot and not one.is_going}
        unserved = [one for one in backlog if one.batch.tenant not in served]
        return min(unserved, key=self._read_waiting_since, default=backlog.head)

    def vacate(
        self, backlog: Backlog, slots: Sequence[SlotProcess], now_seconds: float
    ) -> list[SlotProcess]:
        """Choose slots that are to exit after their running task."""
        self.due_seconds = inf
        if not self._used:
            return []
        waiting = dict.fromkeys(span.batch.tenant for span in backlog)
        working = [slot for slot in slots if not slot.is_going]
        # Missing slots will be there soon: the supervisor replaces those that have ended.
        vacant = len(slots) - len(working) + sum(slot.tenant == NOBODY for slot in working)
        served = {slot.tenant for slot in working}
        unserved = [tenant for tenant in waiting if tenant not in served]
        self._waiting_since = {
            tenant: self._waiting_since.get(tenant, now_seconds) for tenant in unserved
        }
        self._note_idle(working, waiting, now_seconds)
        chosen: list[SlotProcess] = []
        for tenant in unserved[vacant:]:
            rest = [slot for slot in working if slot.tenant != NOBODY and slot not in chosen]
            slot = self._choose_victim(rest, now_seconds - self._waiting_since[tenant], waiting)
            if slot is None:
                self._look_again(
                    self._waiting_since[tenant] + self._find_hold_seconds(rest), now_seconds
                )
                break
            chosen.append(slot)
        if waiting:
            for slot, since in self._idle_since.items():
                if slot not in chosen and now_seconds - since >= SPARE_SECONDS:
                    chosen.append(slot)
                else:
                    self._look_again(since + SPARE_SECONDS, now_seconds)
        return chosen

    def _read_waiting_since(self, span: Span) -> float:
        return self._waiting_since.get(span.batch.tenant, inf)

    def _note_idle(
        self, working: Iterable[SlotProcess], waiting: dict[str, None], now_seconds: float
    ) -> None:
        self._idle_since = {
            slot: self._idle_since.get(slot, now_seconds)
            for slot in working
            if slot.tenant != NOBODY and not slot.pieces and slot.tenant not in waiting
        }

    def _choose_victim(
        self, slots: list[SlotProcess], waited_seconds: float, waiting: dict[str, None]
    ) -> SlotProcess | None:
        for slot in slots:
            if not slot.pieces and slot.tenant not in waiting:
                return slot
        if not slots or waited_seconds < self._find_hold_seconds(slots):
            return None
        counts = Counter(slot.tenant for slot in slots)
        return min(slots, key=lambda slot: (-counts[slot.tenant], slot.started_seconds))

    def _find_hold_seconds(self, slots: Iterable[SlotProcess]) -> float:
        setups = [self._setup_seconds.touch(slot.tenant) or 0.0 for slot in slots]
        return max(HOLD_SECONDS, HOLD_SHARE * max(setups, default=0.0))

    def _look_again(self, due_seconds: float, now_seconds: float) -> None:
        if due_seconds > now_seconds:
            self.due_seconds = min(self.due_seconds, due_seconds)
