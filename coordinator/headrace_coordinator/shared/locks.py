"""A shared lock, and a shared event."""

from __future__ import annotations

from collections.abc import Callable

from headrace_coordinator.shared.objects import DONE, NOT_YET, Item, SharedObject, tell
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import LockLostError
from headrace_wire.message import dump
from headrace_wire.messages.shared import EVENT, LOCK, SharedAnswer, SharedCall, Stamp


class LockObject(SharedObject):
    """A lock. Its fencing number increases each time that it is acquired, whatever happens."""

    kind = LOCK
    _holder: Stamp | None = None
    _fencing = 0

    def __len__(self) -> int:
        return 0 if self._holder is None else 1

    def holders(self) -> tuple[Stamp, ...]:
        return () if self._holder is None else (self._holder,)

    def head(self) -> bytes:
        return pack([self._fencing, self._holder and dump(self._holder)])

    def restore(self, head: bytes, items: list[Item]) -> None:
        del items
        self._fencing, holder = unpack(head)
        self._holder = Stamp(*holder) if holder else None

    def read(self, call: SharedCall) -> SharedAnswer:
        if call.operation != "state":
            raise self.refuse(call)
        return SharedAnswer(numbers=(len(self), self._fencing))

    def change(self, call: SharedCall) -> SharedAnswer:
        match call.operation, call.numbers:
            case "acquire", ():
                if self._holder is None:
                    self._fencing += 1
                    self._set_holder(call.stamp)
                elif self._holder != call.stamp:
                    return NOT_YET
                return SharedAnswer(numbers=(self._fencing,))
            case "release", (fencing,):
                if not self.holds(call.stamp.session) or fencing != self._fencing:
                    raise LockLostError(
                        f"the lock {self.name!r} was lost: its holder (fencing number {fencing}) "
                        f"was silent for too long, and it came free; by now the number is "
                        f"{self._fencing}"
                    )
                self._set_holder(None)
                return DONE
            case _:
                raise self.refuse(call)

    def release(self, is_released: Callable[[Stamp], bool]) -> None:
        if self._holder is not None and is_released(self._holder):
            self._set_holder(None)

    def _set_holder(self, holder: Stamp | None) -> None:
        self._holder = holder
        self.keep_head()


class EventObject(SharedObject):
    """An event: set or not."""

    kind = EVENT
    _is_set = False

    def __len__(self) -> int:
        return int(self._is_set)

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
        if call.operation not in ("set", "clear"):
            raise self.refuse(call)
        wanted = call.operation == "set"
        if self._is_set != wanted:
            self._is_set = wanted
            self.keep_head()
        return DONE
