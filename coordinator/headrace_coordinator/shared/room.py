"""The room: every shared object, and who uses them. A pure state machine; time is an argument.

Invariants, between transitions (``check_room`` checks them):

1. ``size_bytes`` is the sum of what objects and answers take.
2. A lock's holder, and that of each held item, is a session that is known, and that has the
   object's name in ``holding``; nobody has a name there of which it holds nothing.
3. Numbers of items are different within an object, and in the order of a list, a dict, and of what
   waits in a queue.
4. A lock's fencing number grows each time that it is taken.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from msgspec import Struct

from headrace_coordinator.moment import Now
from headrace_coordinator.shared.dicts import SharedMapping
from headrace_coordinator.shared.events import (
    SharedAnswered,
    SharedDeleted,
    SharedSessionGone,
    SharedStateEvent,
)
from headrace_coordinator.shared.ground import (
    DONE,
    ITEM_BYTES,
    Ground,
    Item,
    SharedObject,
    measure_empty,
)
from headrace_coordinator.shared.lists import SharedItems
from headrace_coordinator.shared.locks import Flag, Lock
from headrace_coordinator.shared.queues import SharedLine, make_handed
from headrace_coordinator.shared.sessions import (
    LANE_BYTES,
    SESSION_BYTES,
    Lane,
    Session,
    measure_answer,
)
from headrace_coordinator.shared.values import Value
from headrace_wire.bounds import MAX_NAME_CHARACTERS, MAX_OBJECTS
from headrace_wire.errors import SharedFullError, SharedKindError, UnknownSharedError, UsageError
from headrace_wire.shared import (
    DICT,
    EVENT,
    KINDS,
    LIST,
    LOCK,
    QUEUE,
    VALUE,
    SharedAnswer,
    SharedBeat,
    SharedCall,
    SharedSpec,
    SharedStatus,
    Stamp,
)

#: Bytes that sessions take at most, beside their answers.
SESSIONS_LIMIT_BYTES = 64 << 20

#: Seconds of silence after which a session's answers are forgotten: longer than any client goes on
#: trying.
SESSION_SECONDS = 3600.0

#: Classes of objects by their kind.
CLASSES: dict[str, type[SharedObject]] = {
    VALUE: Value,
    LIST: SharedItems,
    DICT: SharedMapping,
    LOCK: Lock,
    EVENT: Flag,
    QUEUE: SharedLine,
}


class StoredObject(Struct, frozen=True):
    """An object as the store has it, items in the order of their numbers."""

    name: str
    kind: str
    head: bytes
    items: list[Item]


class StoredRoom(Struct, frozen=True):
    """All that the store has of shared state."""

    objects: Sequence[StoredObject] = ()
    answers: Sequence[tuple[Stamp, SharedAnswer]] = ()


class SharedRoom:
    """Objects by name and sessions by id."""

    def __init__(
        self,
        emit: Callable[[SharedStateEvent], None],
        lease_seconds: float,
        limit_bytes: int | None = None,
    ) -> None:
        self.lease_seconds = lease_seconds
        self.ground = Ground(emit, limit_bytes)
        self.objects: dict[str, SharedObject] = {}
        #: The one that was heard last is last.
        self.sessions: dict[str, Session] = {}
        self.session_bytes = 0

    def open(self, spec: SharedSpec, now: Now) -> SharedStatus:
        """Find an object, or make it.

        Raises UsageError for a name that is none, SharedKindError and SharedFullError.
        """
        found = self.objects.get(spec.name)
        if found is None:
            found = self._make(spec, now)
        return self._show(_check_kind(found, spec.kind))

    def read(self, call: SharedCall) -> SharedAnswer:
        """Look at an object. Raises UnknownSharedError and SharedKindError."""
        return self._find(call).read(call)

    def change(self, call: SharedCall, now: Now) -> SharedAnswer:
        """Change an object; the same request again gets the same answer.

        Raises UnknownSharedError, SharedKindError, SharedFullError, and what the object refuses.
        """
        stamp = call.stamp
        session = self._hear(stamp.session, now)
        if stamp.lane not in session.lanes:
            self._make_room(LANE_BYTES, now)
        lane = session.find_lane(stamp)
        self._measure(session)
        if lane.number == stamp.number and lane.answer is not None:
            return lane.answer
        lane.number = stamp.number
        self._remember(lane, None)
        self.ground.see_time(now.monotonic)
        if call.operation == "delete":
            self._delete(call)
            self._answer(stamp, lane, DONE)
            return DONE
        found = self._find(call)
        answer = found.change(call)
        if found.holds(stamp.session):
            session.holding.add(call.name)
        else:
            session.holding.discard(call.name)
        if answer.done:
            if isinstance(found, SharedLine) and answer.values:
                # The item itself says in the store who has it: it need not be there twice.
                lane.answer = answer
            else:
                self._answer(stamp, lane, answer)
        return answer

    def beat(self, beat: SharedBeat, now: Now) -> None:
        """A session is there, and tells what it needs no more."""
        session = self._hear(beat.session, now)
        for receipt in beat.confirmed:
            found = self.objects.get(receipt.name)
            if found is not None:
                found.confirm(session.id, (receipt.number,))
        abandoned = {stamp for stamp in beat.abandoned if stamp.session == session.id}
        self._make_room(LANE_BYTES * len({stamp.lane for stamp in abandoned}), now)
        try:
            for stamp in abandoned:
                session.abandon(stamp)
        finally:
            self._measure(session)
        self._settle_holding(session, lambda stamp: stamp in abandoned)

    def leave(self, session_id: str) -> None:
        """Forget a session; what it holds comes free."""
        session = self.sessions.get(session_id)
        if session:
            self._free(session)
            self.ground.size_bytes -= session.answer_bytes
            del self.sessions[session_id]
            self.session_bytes -= session.counted_bytes
            self.ground.emit(SharedSessionGone(session_id))

    def statuses(self, after: str = "", most: int = MAX_OBJECTS) -> list[SharedStatus]:
        """Objects by name, the first ones that come after one."""
        names = sorted(self.objects)
        first = bisect_right(names, after) if after else 0
        return [self._show(self.objects[name]) for name in names[first : first + most]]

    def tick(self, now: Now) -> None:
        """Let time pass: what silent sessions hold comes free."""
        for session in list(self.sessions.values()):
            if session.holding and session.heard + self.lease_seconds <= now.monotonic:
                self._free(session)
            if session.heard + SESSION_SECONDS <= now.monotonic:
                self.leave(session.id)

    def next_deadline(self) -> float | None:
        """The monotonic time at which a session falls silent next; None for never."""
        return min(
            (
                session.heard + (self.lease_seconds if session.holding else SESSION_SECONDS)
                for session in self.sessions.values()
            ),
            default=None,
        )

    def restore(self, stored: StoredRoom, now: Now) -> None:
        """Take back what the store has; every session counts as heard just now."""
        self.ground.see_time(now.monotonic)
        for stamp, answer in stored.answers:
            session = self._hear(stamp.session, now)
            lane = session.find_lane(stamp)
            self._measure(session)
            lane.answer = answer
            self._remember(lane, answer)
        for one in stored.objects:
            made = self.objects[one.name] = CLASSES[one.kind](one.name, self.ground)
            made.restore(one.head, one.items)
            for item in one.items:
                self.ground.see_number(item.number)
                if item.holder:
                    self._restore_holder(one.name, item.holder, make_handed(item), now)
            if isinstance(made, Lock) and made.holder:
                self._restore_holder(one.name, made.holder, None, now)

    def _restore_holder(
        self, name: str, holder: Stamp, answer: SharedAnswer | None, now: Now
    ) -> None:
        session = self._hear(holder.session, now)
        session.holding.add(name)
        lane = session.lanes.setdefault(holder.lane, Lane(holder.number))
        self._measure(session)
        if answer and lane.number <= holder.number:
            self._remember(lane, None)
            lane.number, lane.answer = holder.number, answer

    def _make(self, spec: SharedSpec, now: Now) -> SharedObject:
        if spec.kind not in KINDS:
            raise UsageError(f"there is no shared {spec.kind!r}: only {', '.join(KINDS)}")
        if not 0 < len(spec.name) <= MAX_NAME_CHARACTERS:
            raise UsageError(f"a shared object's name has 1 to {MAX_NAME_CHARACTERS} characters")
        if len(self.objects) >= MAX_OBJECTS:
            raise SharedFullError(f"there are {MAX_OBJECTS} shared objects: delete some of them")
        self.ground.see_time(now.monotonic)
        self.ground.require(measure_empty(spec.name) + ITEM_BYTES + len(spec.initial))
        made: SharedObject
        if spec.kind == QUEUE:
            made = SharedLine(spec.name, self.ground, max(0, spec.maxsize))
        else:
            made = CLASSES[spec.kind](spec.name, self.ground)
        self.objects[spec.name] = made
        made.keep_head()
        if isinstance(made, Value):
            made.begin(spec.initial)
        return made

    def _find(self, call: SharedCall) -> SharedObject:
        found = self.objects.get(call.name)
        if found is None:
            raise UnknownSharedError(f"there is no shared {call.kind or 'object'} {call.name!r}")
        return _check_kind(found, call.kind) if call.kind else found

    def _delete(self, call: SharedCall) -> None:
        found = self._find(call)
        found.grow(-found.size_bytes)
        del self.objects[call.name]
        self.ground.emit(SharedDeleted(call.name))
        for session in self.sessions.values():
            session.holding.discard(call.name)

    def _hear(self, session_id: str, now: Now) -> Session:
        session = self.sessions.pop(session_id, None)
        if session is None:
            self._make_room(SESSION_BYTES, now)
            session = Session(session_id, now.monotonic)
        self.sessions[session_id] = session
        self._measure(session)
        session.heard = now.monotonic
        return session

    def _measure(self, session: Session) -> None:
        """Count what a session takes now."""
        self.session_bytes += session.size_bytes - session.counted_bytes
        session.counted_bytes = session.size_bytes

    def _make_room(self, growth_bytes: int, now: Now) -> None:
        """Forget sessions that have been silent for long, where all together take too much.

        Raises SharedFullError where that does not help.
        """
        while self.session_bytes + growth_bytes > SESSIONS_LIMIT_BYTES:
            oldest = next(iter(self.sessions.values()), None)
            if (
                oldest is None
                or oldest.holding
                or oldest.heard + self.lease_seconds > now.monotonic
            ):
                raise SharedFullError(
                    f"too many programs use shared state at a time: {len(self.sessions)} were "
                    f"heard of within {self.lease_seconds:g} s"
                )
            self.leave(oldest.id)

    def _answer(self, stamp: Stamp, lane: Lane, answer: SharedAnswer) -> None:
        lane.answer = answer
        self._remember(lane, answer)
        self.ground.emit(SharedAnswered(stamp, answer))

    def _remember(self, lane: Lane, answer: SharedAnswer | None) -> None:
        size_bytes = measure_answer(answer) if answer else 0
        self.ground.size_bytes += size_bytes - lane.size_bytes
        lane.size_bytes = size_bytes
        if answer is None:
            lane.answer = None

    def _free(self, session: Session) -> None:
        self._settle_holding(session, lambda stamp: stamp.session == session.id)

    def _settle_holding(self, session: Session, is_free: Callable[[Stamp], bool]) -> None:
        for name in list(session.holding):
            self.objects[name].let_go(is_free)
            if not self.objects[name].holds(session.id):
                session.holding.discard(name)

    def _show(self, found: SharedObject) -> SharedStatus:
        return SharedStatus(
            name=found.name,
            kind=found.kind,
            items=len(found),
            size_bytes=found.size_bytes,
            waiting=0,
        )


def _check_kind(found: SharedObject, kind: str) -> SharedObject:
    if found.kind != kind:
        raise SharedKindError(f"the shared object {found.name!r} is a {found.kind}, not a {kind}")
    return found
