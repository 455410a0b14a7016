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
    """A queue with a name; see ``multiprocessing.Queue``. Whoever makes it decides its ``maxsize``.

    The thread that gets an item works on it until its next ``get``, ``task_done``, the end of its
    task, or the end of the program. If the process dies before that, the item is put back and
    another consumer gets it. After ``close``, every consumer, such as a loop over the queue, ends
    when nothing waits in the queue and nobody works on an item any more. So a thread that got an
    item and will not get another one must call ``task_done``.
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
        """Get an item if there is one. Raises queue.Empty, and QueueClosedError."""
        return self.get(block=False)

    @property
    def maxsize(self) -> int:
        """How many items may wait; 0 means any number."""
        return self._read_now("size").numbers[2]

    @property
    def closed(self) -> bool:
        """Whether it accepts no more items."""
        return bool(self._read_now("size").numbers[3])

    def __iter__(self) -> Iterator[Any]:
        """Yield items until the queue is closed and empty. Asking for the next finishes an item."""
        while True:
            try:
                item = self.get()
            except QueueClosedError:
                return
            yield item
