"""A queue that tasks and programs share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace.async_shared.primitives import AsyncQueue, check_maxsize
from headrace.blocking import blocking
from headrace.shared.handle import SharedHandle
from headrace.shared.session import SharedSession
from headrace_wire.errors import QueueClosedError
from headrace_wire.messages.shared import QUEUE


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

    put = blocking(AsyncQueue.put)
    get = blocking(AsyncQueue.get)
    task_done = blocking(AsyncQueue.task_done)
    join = blocking(AsyncQueue.join)
    close = blocking(AsyncQueue.close)
    qsize = blocking(AsyncQueue.qsize)
    empty = blocking(AsyncQueue.empty)
    full = blocking(AsyncQueue.full)

    def put_nowait(self, item: Any) -> None:
        """Put an item in if there is room. Raises queue.Full, and QueueClosedError."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """Take an item out if there is one. Raises queue.Empty, and QueueClosedError."""
        return self.get(block=False)

    @property
    def maxsize(self) -> int:
        """How many items may wait; 0 for any number."""
        return self._read_now("size").numbers[2]

    @property
    def closed(self) -> bool:
        """Whether it takes nothing more."""
        return bool(self._read_now("size").numbers[3])

    def __iter__(self) -> Iterator[Any]:
        """Items until the queue is closed and empty; one is done when the next is asked for."""
        while True:
            try:
                item = self.get()
            except QueueClosedError:
                return
            yield item
