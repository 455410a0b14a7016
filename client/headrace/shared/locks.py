"""A lock that tasks and programs share."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from headrace.async_shared.primitives import AsyncLock, LockHandle
from headrace.blocking import blocking
from headrace.shared.handle import SharedHandle


class SharedLock(LockHandle, SharedHandle):
    """A lock under a name, which one holder has at a time, anywhere. It cannot be taken twice.

    It comes free when its holder's process dies or is cut off: after the coordinator's ``--lease``
    of silence; in a task also at the task's end. A holder that only seemed dead may go on
    not knowing it: ``fencing`` grows each time that the lock is taken, so that whatever the lock
    protects can refuse a number smaller than one that it has seen.
    """

    acquire = blocking(AsyncLock.acquire)
    release = blocking(AsyncLock.release)
    locked = blocking(AsyncLock.locked)
    is_mine = blocking(AsyncLock.is_mine)

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
