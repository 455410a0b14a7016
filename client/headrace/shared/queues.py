"""A queue that tasks and programs share."""

from __future__ import annotations

import operator
import queue
from collections.abc import Iterator
from typing import Any

from headrace.shared.handle import SharedHandle, open_sealed, seal
from headrace.shared.session import SharedSession
from headrace_wire.bounds import MAX_INTEGER
from headrace_wire.errors import QueueClosedError, UnreachableError
from headrace_wire.shared import QUEUE
from headrace_wire.timeouts import Limit, check_timeout


class SharedQueue(SharedHandle):
    """A queue under a name; see ``multiprocessing.Queue``. ``maxsize`` is that of who made it.

    An item is this thread's to work on from ``get`` until its next ``get``, ``task_done``, the end
    of its task, or the end of the program. If the process dies before, the item comes back, and
    another consumer gets it. ``close`` ends every consumer, each loop over the queue, when nothing
    waits in it and nobody works on an item any more: so whoever took an item and will not ask for
    another says ``task_done``.
    """

    kind = QUEUE

    def __init__(self, session: SharedSession, name: str, maxsize: int = 0) -> None:
        super().__init__(session, name, maxsize=check_maxsize(maxsize))

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item in, waiting for room. Raises queue.Full, and QueueClosedError.

        Raises UnreachableError when the coordinator is away at the end of that time: then the item
        may be in the queue or not.
        """
        answer = self._change("put", seal(item), limit=limit_wait(block, timeout))
        if not answer.done:
            raise queue.Full
        if not answer.numbers[0]:
            raise QueueClosedError(f"{self!r} is closed: it takes no more items")

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an item out, waiting for one. Raises queue.Empty.

        Raises QueueClosedError when the queue is closed and all items are done with. When the
        coordinator was away all that time, raises queue.Empty as well, for nothing came; but
        UnreachableError when there was no time to wait, for nobody looked.
        """
        limit = limit_wait(block, timeout)
        try:
            answer = self._session.take_item(self.name, self.kind, limit)
        except UnreachableError:
            if block and timeout and limit.is_over:
                raise queue.Empty from None
            raise
        if not answer.done:
            raise queue.Empty
        if not answer.values:
            raise QueueClosedError(f"{self!r} is closed and empty")
        return open_sealed(answer.values[0])

    def task_done(self) -> None:
        """Say that this thread is done with the item that it took last."""
        self._session.finish_item(self.name, self.kind)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until no item waits and all are done with, or for so many seconds.

        Returns whether that is so. False also when the coordinator was away all that time.
        """
        return self._read("join", limit=Limit.after(timeout)).done

    def put_nowait(self, item: Any) -> None:
        """Put an item in if there is room. Raises queue.Full, and QueueClosedError."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """Take an item out if there is one. Raises queue.Empty, and QueueClosedError."""
        return self.get(block=False)

    def close(self) -> None:
        """Take nothing more in: consumers end when all is done."""
        self._change("close")

    def qsize(self) -> int:
        """How many items wait."""
        return self._size()[0]

    def empty(self) -> bool:
        """Whether none waits."""
        return not self.qsize()

    def full(self) -> bool:
        """Whether there is no room."""
        waiting, _, maxsize, _ = self._size()
        return 0 < maxsize <= waiting

    @property
    def maxsize(self) -> int:
        """How many items may wait; 0 for any number."""
        return self._size()[2]

    @property
    def closed(self) -> bool:
        """Whether it takes nothing more."""
        return bool(self._size()[3])

    def __iter__(self) -> Iterator[Any]:
        """Items until the queue is closed and empty; one is done when the next is asked for."""
        while True:
            try:
                item = self.get()
            except QueueClosedError:
                return
            yield item

    def _size(self) -> tuple[int, ...]:
        return self._read("size").numbers


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
