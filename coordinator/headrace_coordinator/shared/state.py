"""The shared state: all objects, and what sessions do to them. It is pure: time is an argument.

Invariants between transitions, which the tests check:

1. The context's ``size_bytes`` is the sum of the sizes of objects and answers, and ``size_by_key``
   of those of each key.
2. The holder of a lock, or of an item of a queue, is a known session that has the object's name in
   ``holding``. No session has the name of an object there of which it holds nothing.
3. The numbers of an object's items are different. They are in the order of a list, of a dict, and
   of the waiting items of a queue.
4. A lock's fencing number increases each time that it is acquired.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from headrace_coordinator.moment import Now
from headrace_coordinator.shared import events
from headrace_coordinator.shared.dicts import DictObject
from headrace_coordinator.shared.events import SharedStateEvent
from headrace_coordinator.shared.lists import ListObject
from headrace_coordinator.shared.locks import EventObject, LockObject
from headrace_coordinator.shared.objects import (
    DONE,
    ITEM_BYTES,
    Item,
    SharedContext,
    SharedObject,
    measure_empty,
)
from headrace_coordinator.shared.queues import QueueObject, answer_with
from headrace_coordinator.shared.sessions import (
    LANE_BYTES,
    SESSION_SECONDS,
    Session,
    Sessions,
    measure_answer,
)
from headrace_coordinator.shared.values import ValueObject
from headrace_coordinator.shares import share_of
from headrace_wire.bounds import MAX_NAME_CHARACTERS, MAX_OBJECTS
from headrace_wire.errors import (
    ProtocolError,
    SharedFullError,
    SharedKindError,
    UnknownSharedError,
    UsageError,
)
from headrace_wire.messages.shared import (
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
from headrace_wire.words import add_article

#: An answer of more bytes is kept only if it reports a change.
LARGE_ANSWER_BYTES = 1024

#: The class for each kind of object.
CLASSES: dict[str, type[SharedObject]] = {
    VALUE: ValueObject,
    LIST: ListObject,
    DICT: DictObject,
    LOCK: LockObject,
    EVENT: EventObject,
    QUEUE: QueueObject,
}


class StoredObject(Struct, frozen=True):
    """An object as it is in the store, with the items in the order of their numbers."""

    name: str
    kind: str
    head: bytes
    owner: str
    items: list[Item]


class StoredState(Struct, frozen=True):
    """The shared state as it is in the store: objects, and the last answer of each lane."""

    objects: Sequence[StoredObject]
    answers: Sequence[tuple[Stamp, SharedAnswer]]


class SharedState:
    """Objects by name, and sessions by id."""

    def __init__(
        self,
        emit: Callable[[SharedStateEvent], None],
        lease_seconds: float,
        limit_bytes: int | None = None,
    ) -> None:
        self.lease_seconds = lease_seconds
        self.context = SharedContext(emit, limit_bytes)
        self.objects: dict[str, SharedObject] = {}
        #: Their names in order.
        self._names: list[str] = []
        #: How many of them each key has opened.
        self.objects_by_key: Counter[str] = Counter()
        self.sessions = Sessions(self.context, lease_seconds)

    def open(self, spec: SharedSpec, now: Now, key: str = "") -> SharedStatus:
        """Find an object, or make one that belongs to the key of this name.

        Raises UsageError for a name or kind that is not allowed, SharedKindError and
        SharedFullError.
        """
        found = self.objects.get(spec.name)
        if found is None:
            found = self._make(spec, now, key)
        return _describe(_check_kind(found, spec.kind))

    def read(self, call: SharedCall) -> SharedAnswer:
        """Read from an object. Raises UnknownSharedError and SharedKindError."""
        return self._find(call).read(call)

    def change(self, call: SharedCall, now: Now, key: str = "") -> SharedAnswer:
        """Change an object. A repeated request gets the same answer again. ``key`` is the name of
        the caller's key.

        Raises UnknownSharedError, SharedKindError, SharedFullError, ProtocolError for a request
        that nobody waits for any more, and the errors of the object.
        """
        stamp = call.stamp
        session = self.sessions.hear(stamp.session, now, key)
        if stamp.lane not in session.lanes:
            self.sessions.make_room(LANE_BYTES, now, session.key)
        lane = self.sessions.find_lane(session, stamp)
        if stamp.number < lane.number:
            raise ProtocolError("a request for shared state came after its successor")
        if lane.number == stamp.number and lane.answer is not None:
            return lane.answer
        lane.number = stamp.number
        self.sessions.remember(session, lane, None)
        self.context.see_time(now.monotonic)
        if call.operation == "delete":
            self._delete(call)
            self.sessions.keep_answer(session, stamp, lane, DONE)
            return DONE
        found = self._find(call)
        changes = self.context.changes
        answer = found.change(call)
        if found.holds(stamp.session):
            session.holding.add(call.name)
        else:
            session.holding.discard(call.name)
        if answer.done:
            if isinstance(found, QueueObject) and answer.values:
                # The item's row says who holds it, so the answer need not be stored as well.
                lane.answer = answer
            elif self.context.changes == changes and measure_answer(answer) > LARGE_ANSWER_BYTES:
                pass  # nothing was changed, so it may be tried again
            else:
                self.sessions.keep_answer(session, stamp, lane, answer)
        return answer

    def beat(self, beat: SharedBeat, now: Now, key: str = "") -> None:
        """Handle a session's heartbeat, and the answers and items that it no longer needs.

        Raises SharedFullError and ProtocolError.
        """
        session = self.sessions.hear(beat.session, now, key)
        for receipt in beat.confirmed:
            found = self.objects.get(receipt.name)
            if found is not None:
                found.confirm(session.id, (receipt.number,))
        abandoned = {stamp for stamp in beat.abandoned if stamp.session == session.id}
        new = {stamp.lane for stamp in abandoned} - session.lanes.keys()
        self.sessions.make_room(LANE_BYTES * len(new), now, session.key)
        for stamp in abandoned:  # it may still be waiting somewhere, and gets no answer any more
            lane = self.sessions.find_lane(session, stamp)
            if lane.number <= stamp.number:
                lane.number = stamp.number + 1
                self.sessions.remember(session, lane, None)
        self._release(session, lambda stamp: stamp in abandoned)

    def leave(self, session_id: str) -> None:
        """Remove a session, and release what it holds."""
        session = self.sessions.by_id.get(session_id)
        if session:
            self._release_all(session)
            self.sessions.remove(session)

    def statuses(self, after: str = "", most: int = MAX_OBJECTS) -> list[SharedStatus]:
        """Return the first objects, by name, that come after a name."""
        first = bisect_right(self._names, after) if after else 0
        return [_describe(self.objects[name]) for name in self._names[first : first + most]]

    def tick(self, now: Now) -> None:
        """Let time pass: what silent sessions hold is released."""
        for session in list(self.sessions.by_id.values()):
            if session.holding and session.heard + self.lease_seconds <= now.monotonic:
                self._release_all(session)
            if session.heard + SESSION_SECONDS <= now.monotonic:
                self.leave(session.id)

    def next_deadline(self) -> float:
        """Return the monotonic time at which a session becomes silent next, infinity for never."""
        return self.sessions.next_deadline()

    def restore(self, stored: StoredState, now: Now) -> None:
        """Restore what was stored. Every session counts as alive now."""
        self.context.see_time(now.monotonic)
        for stamp, answer in stored.answers:
            session = self.sessions.hear(stamp.session, now)
            self.sessions.remember(session, self.sessions.find_lane(session, stamp), answer)
        for one in stored.objects:
            found = self._add(one.kind, one.name, one.owner)
            found.restore(one.head, one.items)
            found.grow(sum(item.size_bytes for item in one.items))
            for item in one.items:
                self.context.see_number(item.number)
                if item.holder:
                    session = self._restore_holder(one.name, item.holder, now)
                    lane = session.lanes[item.holder.lane]
                    if lane.number <= item.holder.number:
                        self.sessions.remember(session, lane, None)
                        lane.number, lane.answer = item.holder.number, answer_with(item)
            if isinstance(found, LockObject):
                for holder in found.holders():
                    self._restore_holder(one.name, holder, now)

    def _restore_holder(self, name: str, holder: Stamp, now: Now) -> Session:
        session = self.sessions.hear(holder.session, now)
        session.holding.add(name)
        self.sessions.find_lane(session, holder)
        return session

    def _make(self, spec: SharedSpec, now: Now, key: str) -> SharedObject:
        if spec.kind not in KINDS:
            raise UsageError(f"there is no shared {spec.kind!r}: only {', '.join(KINDS)}")
        if not 0 < len(spec.name) <= MAX_NAME_CHARACTERS:
            raise UsageError(f"a shared object's name has 1 to {MAX_NAME_CHARACTERS} characters")
        if len(self.objects) >= MAX_OBJECTS:
            raise SharedFullError(f"there are {MAX_OBJECTS} shared objects: delete some of them")
        if self.objects_by_key[key] >= (most := share_of(MAX_OBJECTS, key)):
            raise SharedFullError(
                f"the key {key!r} has {most} shared objects, and the rest of the places is for "
                "other keys: delete some of them"
            )
        self.context.see_time(now.monotonic)
        self.context.require(measure_empty(spec.name) + ITEM_BYTES + len(spec.initial), key)
        made = self._add(spec.kind, spec.name, key)
        made.begin(spec)
        return made

    def _add(self, kind: str, name: str, owner: str) -> SharedObject:
        added = self.objects[name] = CLASSES[kind](name, self.context, owner)
        insort(self._names, name)
        self.objects_by_key[owner] += 1
        return added

    def _find(self, call: SharedCall) -> SharedObject:
        found = self.objects.get(call.name)
        if found is None:
            raise UnknownSharedError(f"there is no shared {call.kind or 'object'} {call.name!r}")
        return _check_kind(found, call.kind) if call.kind else found

    def _delete(self, call: SharedCall) -> None:
        found = self._find(call)
        found.grow(-found.size_bytes)
        del self.objects[call.name]
        del self._names[bisect_left(self._names, call.name)]
        self.objects_by_key[found.owner] -= 1
        if not self.objects_by_key[found.owner]:
            del self.objects_by_key[found.owner]
        self.context.emit(events.SharedDeleted(call.name))
        for session in self.sessions.by_id.values():
            session.holding.discard(call.name)

    def _release_all(self, session: Session) -> None:
        self._release(session, lambda stamp: stamp.session == session.id)

    def _release(self, session: Session, is_released: Callable[[Stamp], bool]) -> None:
        for name in list(session.holding):
            self.objects[name].release(is_released)
            if not self.objects[name].holds(session.id):
                session.holding.discard(name)


def _describe(found: SharedObject) -> SharedStatus:
    return SharedStatus(
        name=found.name,
        kind=found.kind,
        items=len(found),
        size_bytes=found.size_bytes,
        waiting=0,
    )


def _check_kind(found: SharedObject, kind: str) -> SharedObject:
    if found.kind != kind:
        raise SharedKindError(
            f"the shared object {found.name!r} is {add_article(found.kind)}, not "
            f"{add_article(kind)}"
        )
    return found
