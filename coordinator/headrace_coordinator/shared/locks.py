"""A shared lock, and a shared event."""

from __future__ import annotations

from collections.abc import Callable

from headrace_coordinator.shared.ground import DONE, NOT_YET, Ground, Item, SharedObject, tell
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import LockLostError
from headrace_wire.message import dump
from headrace_wire.shared import EVENT, LOCK, SharedAnswer, SharedCall, Stamp


class Lock(SharedObject):
    """A lock. Each time that it is taken its fencing number grows, whatever happens."""

    kind = LOCK

    def __init__(self, name: str, ground: Ground) -> None:
        super().__init__(name, ground)
        self.holder: Stamp | None = None
        self._fencing = 0

    def __len__(self) -> int:
        return 0 if self.holder is None else 1

    def items(self) -> tuple[Item, ...]:
        return ()

    def holders(self) -> tuple[Stamp, ...]:
        return () if self.holder is None else (self.holder,)

    def head(self) -> bytes:
        return pack([self._fencing, self.holder and dump(self.holder)])

    def restore(self, head: bytes, items: list[Item]) -> None:
        del items
        self._fencing, holder = unpack(head)
        self.holder = Stamp(*holder) if holder else None

    def read(self, call: SharedCall) -> SharedAnswer:
        match call.operation:
            case "state":
                return SharedAnswer(numbers=(len(self), self._fencing))
            case _:
                raise self.refuse(call)

    def change(self, call: SharedCall) -> SharedAnswer:
        match call.operation, call.numbers:
            case "acquire", ():
                if self.holder is not None and self.holder != call.stamp:
                    return NOT_YET
                if self.holder is None:
                    self.holder = call.stamp
                    self._fencing += 1
                    self.keep_head()
                return SharedAnswer(numbers=(self._fencing,))
            case "release", (fencing,):
                if not self.holds(call.stamp.session) or fencing != self._fencing:
                    raise LockLostError(
                        f"the lock {self.name!r} was lost: its holder (fencing number {fencing}) "
                        f"was silent for too long, and it came free; by now the number is "
                        f"{self._fencing}"
                    )
                self._free()
                return DONE
            case _:
                raise self.refuse(call)

    def let_go(self, holder: Callable[[Stamp], bool]) -> None:
        if self.holder is not None and holder(self.holder):
            self._free()

    def _free(self) -> None:
        self.holder = None
        self.keep_head()


class Flag(SharedObject):
    """An event: set or not."""

    kind = EVENT

    def __init__(self, name: str, ground: Ground) -> None:
        super().__init__(name, ground)
        self._is_set = False

    def __len__(self) -> int:
        return int(self._is_set)

    def items(self) -> tuple[Item, ...]:
        return ()

    def head(self) -> bytes:
        return pack(self._is_set)

    def restore(self, head: bytes, items: list[Item]) -> None:
        del items
        self._is_set = unpack(head)

    def read(self, call: SharedCall) -> SharedAnswer:
        match call.operation:
            case "is_set":
                return tell(self._is_set)
            case "wait":
                return DONE if self._is_set else NOT_YET
            case _:
                raise self.refuse(call)

    def change(self, call: SharedCall) -> SharedAnswer:
        match call.operation:
            case "set" | "clear":
                wanted = call.operation == "set"
                if self._is_set != wanted:
                    self._is_set = wanted
                    self.keep_head()
                return DONE
            case _:
                raise self.refuse(call)
