"""The inputs of a stream that are to be sent to the coordinator, in batches.

A signal handler may raise an exception in the main thread between any two of its instructions, also
while it adds inputs or sends them. The state is kept consistent as follows: the locks are of a kind
that a ``with`` statement always acquires and releases; attributes that belong together are assigned
without a call in between; and a batch that may have arrived is sent again unchanged, which has no
effect if it had arrived.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue

from headrace.streams.lanes import Lanes
from headrace_wire.batch import pack_batch
from headrace_wire.locks import make_lock
from headrace_wire.round_trip import FAR_SECONDS

#: Bytes of inputs in one batch; a single input may be larger. If the coordinator is far away,
#: batches are larger, and several are sent at the same time.
BATCH_BYTES = 1 << 20
FAR_BATCH_BYTES = 4 << 20

#: Maximum number of inputs in one batch.
BATCH_TASKS = 4096


class Outbox:
    """Inputs by their index. It is thread-safe; only one thread sends at a time.

    ``send(start, packed)`` sends a batch to the coordinator; ``lanes`` makes several such calls at
    the same time. ``bell`` wakes the thread that sends the inputs that no other thread sends.
    """

    def __init__(self, send: Callable[[int, bytes], object], lanes: Lanes) -> None:
        self._send = send
        self._lanes = lanes
        #: Whether sending the last batch took as long as to a coordinator that is far away.
        self._is_slow = False
        self._lock = make_lock()
        self._pending: list[bytes] = []
        #: How many of the pending inputs are in batches.
        self._offset = 0
        #: How many inputs have been put into batches so far, and how many have arrived.
        self._taken = 0
        self.sent = 0
        self._batch: bytes | None = None
        self._busy: object | None = self  # nothing is sent before ``open``
        self._rung = False
        self.bell: SimpleQueue[None] = SimpleQueue()

    def open(self) -> None:
        """Allow batches to be sent: the job has been submitted."""
        self._busy = None

    @property
    def count(self) -> int:
        """The number of inputs that have been added."""
        with self._lock:
            return self._taken + len(self._pending) - self._offset

    def add(self, items: Sequence[bytes]) -> int:
        """Add inputs and return the index of the first."""
        with self._lock:
            index = self._taken + len(self._pending) - self._offset
            self._pending.extend(items)
        return index

    def ring(self) -> None:
        """Wake the sending thread, unless it has been woken already."""
        if not self._rung:
            self._rung = True
            self.bell.put(None)

    def wait(self) -> None:
        """Wait until the bell rings. Called in the sending thread."""
        self.bell.get()
        self._rung = False

    def push(self) -> bool:
        """Send one batch if no other thread is sending. Raises the errors of ``send``."""
        mine = object()
        try:
            with self._lock:
                if self._busy is not None:
                    return False
                if self._batch is None and not self._cut():
                    return False
                self._busy = mine
            assert self._batch is not None
            self._send(self.sent, self._batch)
            self.sent, self._batch, self._busy = self._taken, None, None
        except BaseException:
            if self._busy is mine:
                self._busy = None
            self.bell.put(None)  # an interrupted caller may not try again
            raise
        if self._offset < len(self._pending):
            self.bell.put(None)
        return True

    def advance(self, on_sent: Callable[[], object]) -> bool:
        """Send a batch, or several at the same time if the coordinator is far away.

        It is called in the sending thread, which signals do not interrupt. ``on_sent`` is called
        when more inputs have arrived. Returns whether there were any inputs. Raises the errors of
        ``send``; then nothing more can be sent.
        """
        has_more = self._offset < len(self._pending)
        if self._is_slow and has_more and self._lanes.measure():
            return self._push_several(on_sent)
        begun = time.monotonic()
        sent = self.push()
        self._is_slow = time.monotonic() - begun >= FAR_SECONDS
        on_sent()
        return sent

    def _push_several(self, on_sent: Callable[[], object]) -> bool:
        mine = object()
        with self._lock:
            if self._busy is not None or (self._batch is None and not self._cut(FAR_BATCH_BYTES)):
                return False
            self._busy = mine
        under_way: deque[tuple[int, Future[object]]] = deque()
        start = self.sent
        while under_way or self._batch is not None:
            while self._batch is not None and len(under_way) < self._lanes.size:
                call = partial(self._send, start, self._batch)
                start, self._batch = self._taken, None
                under_way.append((start, self._lanes.begin(call)))
                with self._lock:
                    self._cut(FAR_BATCH_BYTES)
            stop, sent = under_way.popleft()
            sent.result()
            self.sent = stop
            on_sent()
        self._busy = None
        return True

    def drop(self) -> None:
        """Discard the inputs that have not been sent."""
        with self._lock:
            self._pending, self._offset, self._batch = [], 0, None

    def _cut(self, most_bytes: int = BATCH_BYTES) -> bool:
        """Make a batch of as many pending inputs as one batch may hold."""
        pending, start = self._pending, self._offset
        size, stop = 0, start
        while stop < len(pending) and stop - start < BATCH_TASKS:
            size += len(pending[stop])
            if stop > start and size > most_bytes:
                break
            stop += 1
        if stop == start:
            return False
        packed = pack_batch(pending[start:stop])
        taken = self._taken + stop - start
        if 2 * stop > len(pending):
            pending, stop = pending[stop:], 0
        self._batch, self._taken, self._pending, self._offset = packed, taken, pending, stop
        return True
