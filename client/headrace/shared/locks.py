"""A lock that tasks and programs share."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from headrace.shared.handle import SharedHandle
from headrace.shared.session import SharedSession
from headrace_wire.shared import LOCK, Stamp
from headrace_wire.timeouts import Limit


class SharedLock(SharedHandle):
    """A lock under a name, which one holder has at a time, anywhere. It cannot be taken twice.

    It comes free when its holder's process dies or is cut off: after the coordinator's ``--lease``
    of silence; in a task also at the task's end. A holder that only seemed dead may go on
    not knowing it: ``fencing`` grows each time that the lock is taken, so that whatever the lock
    protects can refuse a number smaller than one that it has seen.
    """

    kind = LOCK

    def __init__(self, session: SharedSession, name: str) -> None:
        super().__init__(session, name)
        self._held: tuple[Stamp, int] | None = None

    @property
    def fencing(self) -> int:
        """The number of this hold. Raises ValueError when this handle does not hold the lock."""
        return self._require()[1]

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take the lock, waiting for it, or for so many seconds. Returns whether it was taken.

        False also when the coordinator was away all that time.
        """
        limit = Limit.after(timeout if block else 0)
        held = self._session.acquire(self.name, self.kind, limit)
        if held:
            self._held = held
        return held is not None

    def release(self) -> None:
        """Let go of it.

        Raises ValueError when this handle does not hold it, and LockLostError when it came free in
        the meantime: what was done under it may have been done by others at the same time.
        """
        held = self._require()
        self._held = None
        self._session.release(self.name, self.kind, held)

    def locked(self) -> bool:
        """Whether anybody holds it."""
        return bool(self._read("state").numbers[0])

    def is_mine(self) -> bool:
        """Whether this handle holds it still."""
        held = self._held
        return held is not None and self._read("state").numbers == (1, held[1])

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _require(self) -> tuple[Stamp, int]:
        if self._held is None:
            raise ValueError(f"{self!r} is not held here")
        return self._held
