"""Values, events, locks and queues that tasks and programs share, awaited."""

from __future__ import annotations

import operator
import queue
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self, SupportsIndex

from headrace.async_shared.handle import AsyncHandle, Handle
from headrace.async_shared.sealing import open_sealed, seal, seal_number
from headrace_wire.bounds import MAX_INTEGER
from headrace_wire.errors import QueueClosedError, UnreachableError
from headrace_wire.messages.shared import EVENT, LOCK, QUEUE, VALUE, Stamp
from headrace_wire.timeouts import Limit, check_timeout


class AsyncValue(AsyncHandle):
    """One value with a name; see ``SharedValue``."""

    kind = VALUE

    async def get(self) -> Any:
        """Return the current value."""
        return open_sealed((await self._read("get")).values[0])

    async def set(self, value: Any) -> None:
        """Replace the value."""
        await self._change("set", seal(value))

    async def add(self, amount: float | SupportsIndex = 1) -> Any:
        """Add to a number, and return the new one. Raises UsageError if the value is no number."""
        return open_sealed((await self._change("add", seal_number(amount))).values[0])

    async def compare_and_set(self, old: Any, new: Any) -> bool:
        """Replace the value by ``new`` if it equals ``old``. Returns whether it did."""
        sealed = seal(new)
        while True:
            found = (await self._read("get")).values[0]
            if open_sealed(found) != old:
                return False
            if (await self._change("set_if", found, sealed)).numbers[0]:
                return True


class AsyncEvent(AsyncHandle):
    """An event with a name; see ``SharedEvent``."""

    kind = EVENT

    async def is_set(self) -> bool:
        """Return whether it is set."""
        return bool((await self._read("is_set")).numbers[0])

    async def set(self) -> None:
        """Set it, which wakes those that wait for it."""
        await self._change("set")

    async def clear(self) -> None:
        """Reset it."""
        await self._change("clear")

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as in SharedEvent
        """Wait until it is set, or for this many seconds. Returns whether it is set.

        Also returns False if the coordinator was not reachable during the whole time.
        """
        return (await self._read("wait", limit=Limit.after(timeout))).done


class LockHandle(Handle):
    """The common part of handles of locks: it knows whether this handle holds the lock."""

    kind = LOCK

    _held: tuple[Stamp, int] | None = None

    @property
    def fencing(self) -> int:
        """The number of this hold. Raises ValueError if this handle does not hold the lock."""
        return self._require()[1]

    def _require(self) -> tuple[Stamp, int]:
        if self._held is None:
            raise ValueError(f"{self!r} is not held here")
        return self._held


class AsyncLock(LockHandle, AsyncHandle):
    """A lock with a name, for ``async with``; see ``SharedLock``.

    A program that blocks its event loop for longer than the coordinator's ``--lease`` is considered
    dead, and the lock is released. An ``acquire`` that is cancelled releases the lock if it was
    acquired meanwhile.
    """

    async def acquire(
        self,
        block: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - as in SharedLock
    ) -> bool:
        """Acquire the lock, and wait for it, or for this many seconds. Returns whether it was
        acquired.

        Also returns False if the coordinator was not reachable during the whole time.
        """
        held = await self._session.acquire(
            self.name, self.kind, Limit.after(timeout if block else 0)
        )
        if held:
            self._held = held
        return held is not None

    async def release(self) -> None:
        """Release the lock.

        Raises ValueError if this handle does not hold it, and LockLostError if it was lost in the
        meantime: then others may have held it at the same time.
        """
        held = self._require()
        self._held = None
        await self._session.release(self.name, self.kind, held)

    async def locked(self) -> bool:
        """Return whether anybody holds it."""
        return bool((await self._read("state")).numbers[0])

    async def is_mine(self) -> bool:
        """Return whether this handle still holds it."""
        held = self._held
        return held is not None and (await self._read("state")).numbers == (1, held[1])

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.release()


class AsyncQueue(AsyncHandle):
    """A queue with a name, for ``async for``; see ``SharedQueue``.

    The ``asyncio`` task that gets an item works on it until its next ``get``, ``task_done``, or
    until the cluster is closed. A ``get`` that is cancelled puts the item back if it was taken
    meanwhile.
    """

    kind = QUEUE

    async def put(
        self,
        item: Any,
        block: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - as in SharedQueue
    ) -> None:
        """Put an item in, and wait for room. Raises queue.Full, and QueueClosedError.

        Raises UnreachableError if the coordinator is not reachable at the end of that time: then it
        is not known whether the item is in the queue.
        """
        answer = await self._change("put", seal(item), limit=limit_wait(block, timeout))
        if not answer.done:
            raise queue.Full
        if not answer.numbers[0]:
            raise QueueClosedError(f"{self!r} is closed: it takes no more items")

    async def get(
        self,
        block: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - as in SharedQueue
    ) -> Any:
        """Get an item, and wait for one. Raises queue.Empty.

        Raises QueueClosedError if the queue is closed and all items are done. If the coordinator
        was not reachable during the whole time, this also raises queue.Empty; but without any time
        to wait, it raises UnreachableError, because the queue was not read at all.
        """
        limit = limit_wait(block, timeout)
        try:
            answer = await self._session.take_item(self.name, self.kind, limit)
        except UnreachableError:
            if block and timeout and limit.is_over:
                raise queue.Empty from None
            raise
        if not answer.done:
            raise queue.Empty
        if not answer.values:
            raise QueueClosedError(f"{self!r} is closed and empty")
        return open_sealed(answer.values[0])

    async def task_done(self) -> None:
        """Note that this thread or task is done with the item that it got last.

        Raises ValueError if it is called more often than this thread or task got items.
        """
        if not await self._session.finish_item(self.name, self.kind):
            raise ValueError(
                f"task_done() called too many times: it is called once for each item of {self!r}, "
                "by the thread or asyncio task that got the item"
            )

    async def join(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as in SharedQueue
        """Wait until no item waits and all are done, or for this many seconds.

        Returns whether that is so. Also returns False if the coordinator was not reachable during
        the whole time.
        """
        return (await self._read("join", limit=Limit.after(timeout))).done

    async def close(self) -> None:
        """Accept no more items. The consumers end when all items are done."""
        await self._change("close")

    async def qsize(self) -> int:
        """Return how many items wait."""
        return (await self._read("size")).numbers[0]

    async def empty(self) -> bool:
        """Return whether no item waits."""
        return not (await self._read("size")).numbers[0]

    async def full(self) -> bool:
        """Return whether there is no room."""
        waiting, _, maxsize, _ = (await self._read("size")).numbers
        return 0 < maxsize <= waiting

    async def is_closed(self) -> bool:
        """Return whether it accepts no more items."""
        return bool((await self._read("size")).numbers[3])

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yield items until the queue is closed and empty. Asking for the next finishes an item."""
        while True:
            try:
                item = await self.get()
            except QueueClosedError:
                return
            yield item


def check_maxsize(maxsize: object) -> int:
    """Return how many items may wait in a queue. Raises TypeError if it is not an integer."""
    try:
        most = operator.index(maxsize)  # type: ignore[arg-type] # TypeError is expected
    except TypeError:
        kind = type(maxsize).__name__
        raise TypeError(
            f"maxsize is how many items may wait in the queue, 0 for any number, not {kind} "
            f"{maxsize!r}"
        ) from None
    return min(max(most, 0), MAX_INTEGER)


def limit_wait(block: bool, timeout: float | None) -> Limit:
    """Return how long to wait. Raises ValueError for a negative time, as ``queue.Queue`` does."""
    if not block:
        return Limit.after(0)
    if timeout is not None and check_timeout(timeout) < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return Limit.after(timeout)
