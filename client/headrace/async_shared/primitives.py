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
    """One value under a name; see ``SharedValue``."""

    kind = VALUE

    async def get(self) -> Any:
        """The value as it is now."""
        return open_sealed((await self._read("get")).values[0])

    async def set(self, value: Any) -> None:
        """Put another in its place."""
        await self._change("set", seal(value))

    async def add(self, amount: float | SupportsIndex = 1) -> Any:
        """Add to a number. Returns what it is now. Raises UsageError for what is no number."""
        return open_sealed((await self._change("add", seal_number(amount))).values[0])

    async def compare_and_set(self, old: Any, new: Any) -> bool:
        """Put ``new`` in place of a value that equals ``old``. Returns whether it did."""
        sealed = seal(new)
        while True:
            found = (await self._read("get")).values[0]
            if open_sealed(found) != old:
                return False
            if (await self._change("set_if", found, sealed)).numbers[0]:
                return True


class AsyncEvent(AsyncHandle):
    """An event under a name; see ``SharedEvent``."""

    kind = EVENT

    async def is_set(self) -> bool:
        """Whether it is set."""
        return bool((await self._read("is_set")).numbers[0])

    async def set(self) -> None:
        """Set it: who waits goes on."""
        await self._change("set")

    async def clear(self) -> None:
        """Unset it."""
        await self._change("clear")

    async def wait(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as in SharedEvent
        """Wait until it is set, or for so many seconds. Returns whether it is.

        False also when the coordinator was away all that time.
        """
        return (await self._read("wait", limit=Limit.after(timeout))).done


class LockHandle(Handle):
    """What a handle of a lock knows: whether it holds it."""

    kind = LOCK

    _held: tuple[Stamp, int] | None = None

    @property
    def fencing(self) -> int:
        """The number of this hold. Raises ValueError when this handle does not hold the lock."""
        return self._require()[1]

    def _require(self) -> tuple[Stamp, int]:
        if self._held is None:
            raise ValueError(f"{self!r} is not held here")
        return self._held


class AsyncLock(LockHandle, AsyncHandle):
    """A lock under a name, for ``async with``; see ``SharedLock``.

    A program that blocks its event loop for longer than the coordinator's ``--lease`` is taken for
    dead, and the lock comes free. An ``acquire`` that is cancelled gives the lock back if it was
    taken meanwhile.
    """

    async def acquire(
        self,
        block: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - as in SharedLock
    ) -> bool:
        """Take the lock, waiting for it, or for so many seconds. Returns whether it was taken.

        False also when the coordinator was away all that time.
        """
        held = await self._session.acquire(
            self.name, self.kind, Limit.after(timeout if block else 0)
        )
        if held:
            self._held = held
        return held is not None

    async def release(self) -> None:
        """Let go of it.

        Raises ValueError when this handle does not hold it, and LockLostError when it came free in
        the meantime: what was done under it may have been done by others at the same time.
        """
        held = self._require()
        self._held = None
        await self._session.release(self.name, self.kind, held)

    async def locked(self) -> bool:
        """Whether anybody holds it."""
        return bool((await self._read("state")).numbers[0])

    async def is_mine(self) -> bool:
        """Whether this handle holds it still."""
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
    """A queue under a name, for ``async for``; see ``SharedQueue``.

    An item is this ``asyncio`` task's to work on until its next ``get``, ``task_done``, or until
    the cluster is closed. A ``get`` that is cancelled puts the item back if it was taken meanwhile.
    """

    kind = QUEUE

    async def put(
        self,
        item: Any,
        block: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - as in SharedQueue
    ) -> None:
        """Put an item in, waiting for room. Raises queue.Full, and QueueClosedError.

        Raises UnreachableError when the coordinator is away at the end of that time: then the item
        may be in the queue or not.
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
        """Take an item out, waiting for one. Raises queue.Empty.

        Raises QueueClosedError when the queue is closed and all items are done with. When the
        coordinator was away all that time, raises queue.Empty as well, for nothing came; but
        UnreachableError when there was no time to wait, for nobody looked.
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
        """Say that this thread or task is done with the item that it took last."""
        await self._session.finish_item(self.name, self.kind)

    async def join(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as in SharedQueue
        """Wait until no item waits and all are done with, or for so many seconds.

        Returns whether that is so. False also when the coordinator was away all that time.
        """
        return (await self._read("join", limit=Limit.after(timeout))).done

    async def close(self) -> None:
        """Take nothing more in: consumers end when all is done."""
        await self._change("close")

    async def qsize(self) -> int:
        """How many items wait."""
        return (await self._read("size")).numbers[0]

    async def empty(self) -> bool:
        """Whether none waits."""
        return not (await self._read("size")).numbers[0]

    async def full(self) -> bool:
        """Whether there is no room."""
        waiting, _, maxsize, _ = (await self._read("size")).numbers
        return 0 < maxsize <= waiting

    async def is_closed(self) -> bool:
        """Whether it takes nothing more."""
        return bool((await self._read("size")).numbers[3])

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Items until the queue is closed and empty; one is done when the next is asked for."""
        while True:
            try:
                item = await self.get()
            except QueueClosedError:
                return
            yield item


def check_maxsize(maxsize: object) -> int:
    """How many items may wait in a queue. Raises TypeError for what is no number of them."""
    try:
        most = operator.index(maxsize)  # type: ignore[arg-type] # that is what is tried
    except TypeError:
        kind = type(maxsize).__name__
        raise TypeError(
            f"maxsize is how many items may wait in the queue, 0 for any number, not {kind} "
            f"{maxsize!r}"
        ) from None
    return min(max(most, 0), MAX_INTEGER)


def limit_wait(block: bool, timeout: float | None) -> Limit:
    """How long to wait. Raises ValueError for a negative time, as ``queue.Queue`` does."""
    if not block:
        return Limit.after(0)
    if timeout is not None and check_timeout(timeout) < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return Limit.after(timeout)
