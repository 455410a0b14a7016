"""Short ways to say what happens to shared state, for its tests."""

from __future__ import annotations

from typing import Any

from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.shared.state import SharedState
from headrace_coordinator.store.store import Store
from headrace_wire.encoding import pack, unpack
from headrace_wire.messages.shared import (
    SharedAnswer,
    SharedBeat,
    SharedCall,
    SharedReceipt,
    SharedSpec,
    Stamp,
)
from support.queue_builders import at


class SharedRig:
    """Shared state and its clock. What ``store`` is given is written after each step."""

    def __init__(self, store: Store | None = None, limit_bytes: int | None = None) -> None:
        self.store = store
        self.rules = Rules(lease_seconds=15.0, shared_limit_bytes=limit_bytes)
        self.seconds = 100.0
        self.last: dict[str, SharedCall] = {}
        self._numbers: dict[str, int] = {}
        self.restart()

    @property
    def state(self) -> SharedState:
        return self.queue.shared

    def restart(self) -> None:
        """Begin anew from what the store has."""
        self.queue = Queue(self.rules)
        if self.store:
            self.state.restore(self.store.load_shared(), at(self.seconds))
            self.queue.state.drain_events()

    def commit(self) -> None:
        events = self.queue.state.drain_events()
        if self.store:
            self.store.write(events, {}, self.seconds)

    def open(self, name: str, kind: str, initial: Any = 0, maxsize: int = 0, key: str = "") -> None:
        self.state.open(SharedSpec(name, kind, pack(initial), maxsize), at(self.seconds), key)
        self.commit()

    def ask(
        self,
        name: str,
        operation: str,
        *values: Any,
        numbers: tuple[int, ...] = (),
        session: str = "a",
        lane: int = 0,
        key: str = "",
    ) -> SharedAnswer:
        """Make a request that is new."""
        place = f"{session} {lane}"
        self._numbers[place] = self._numbers.get(place, 0) + 1
        stamp = Stamp(session, lane, self._numbers[place])
        kind = self.state.objects[name].kind if name in self.state.objects else ""
        self.last[session] = SharedCall(
            stamp, name, kind, operation, tuple(map(pack, values)), numbers
        )
        return self.repeat(session, key)

    def repeat(self, session: str = "a", key: str = "") -> SharedAnswer:
        """Make a session's last request again."""
        try:
            return self.state.change(self.last[session], at(self.seconds), key)
        finally:
            self.commit()

    def look(
        self, name: str, operation: str, *values: Any, numbers: tuple[int, ...] = ()
    ) -> SharedAnswer:
        kind = self.state.objects[name].kind
        packed = tuple(map(pack, values))
        return self.state.read(SharedCall(Stamp("", 0, 0), name, kind, operation, packed, numbers))

    def beat(
        self,
        session: str = "a",
        abandoned: tuple[Stamp, ...] = (),
        confirmed: tuple[SharedReceipt, ...] = (),
        key: str = "",
    ) -> None:
        self.state.beat(SharedBeat(session, abandoned, confirmed), at(self.seconds), key)
        self.commit()

    def leave(self, session: str = "a") -> None:
        self.state.leave(session)
        self.commit()

    def wait(self, seconds: float) -> None:
        self.seconds += seconds
        self.queue.tick(at(self.seconds))
        self.commit()


def read(answer: SharedAnswer) -> list[Any]:
    """The values of an answer."""
    return [unpack(value) for value in answer.values]
