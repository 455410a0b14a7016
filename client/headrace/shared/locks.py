"""A lock that tasks and programs share."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from headrace.async_shared.primitives import AsyncLock, LockHandle
from headrace.blocking import blocking
from headrace.shared.handle import SharedHandle


class SharedLock(LockHandle, SharedHandle):
    """A lock with a name, which one holder has at a time, anywhere. It is not reentrant.

    It is released when its holder's process dies or has been cut off for the coordinator's
    ``--lease``, and, in a task, also when the task ends. A holder that only seemed to be dead may
    not know that it has lost the lock. So ``fencing`` grows each time the lock is acquired, and
    whatever the lock protects can refuse a number that is smaller than one it has already seen.
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
