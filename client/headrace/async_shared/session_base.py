"""A session: this process, as the coordinator knows it for shared state.

    calls, each on a lane ─► SharedApi.read, change (repeated under one stamp until answered)
    heartbeats ─► SharedApi.beat: it is alive; requests it has given up; items that are done

A task of the event loop, or a thread, sends heartbeats from the first lock or item that is acquired
until ``close``, which says goodbye. A process that was forked begins a session of its own. The
calls are coroutines, which blocking sessions run as functions: see ``headrace.blocking``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from headrace_wire.api import MAX_WAIT_SECONDS, NAMES_PER_PAGE, SharedApi
from headrace_wire.errors import (
    ClosedError,
    HeadraceError,
    KeyRefusedError,
    ProtocolError,
    UnreachableError,
)
from headrace_wire.locks import make_lock
from headrace_wire.messages.shared import (
    SharedAnswer,
    SharedBeat,
    SharedCall,
    SharedReceipt,
    SharedSpec,
    SharedStatus,
    Stamp,
)
from headrace_wire.timeouts import Limit

if TYPE_CHECKING:
    from headrace.blocking import BlockingCaller
    from headrace_wire.async_caller import AsyncCaller

    Caller = AsyncCaller[SharedApi] | BlockingCaller[SharedApi]


class Work(Struct):
    """What a thread or task has got from one queue.

    ``items`` are not finished yet, and ``unfinished`` says how often ``task_done`` may still be
    called: once for each item, also if the next ``get`` has finished it.
    """

    items: set[SharedReceipt] = field(default_factory=set[SharedReceipt])
    unfinished: int = 0


#: What a thread or task has got, by queue.
Working = dict[str, Work]

#: How many heartbeats are sent in the time after which a silent session loses what it holds. Two
#: may be lost.
BEATS_PER_LEASE = 3

#: How many seconds to wait for the answer to a heartbeat.
BEAT_ANSWER_SECONDS = 4.0

#: How many seconds a goodbye may take, in addition to waiting for an answer that is pending: nobody
#: should wait long for a suspended coordinator. If the goodbye is lost, others wait for the lease.
GOODBYE_SECONDS = 0.5

#: How many seconds pass between heartbeats until the coordinator has said how long a lease lasts,
#: and after one without an answer.
FIRST_BEAT_SECONDS = 1.0


class SessionBase(ABC):
    """Calls on shared state. It is thread-safe.

    ``beats`` makes the calls that are not repeated: heartbeats and the goodbye.
    """

    def __init__(self, calls: Caller, beats: Caller) -> None:
        self._calls = calls
        self._beats = beats
        self._begin()

    def _begin(self) -> None:
        self.id = secrets.token_hex(8)
        self._process = os.getpid()
        self._lock = make_lock()
        self._lanes: list[tuple[int, int]] = []
        self._lane_count = 0
        self._used = False
        self._closed = False
        self._abandoned: set[Stamp] = set()
        self._confirmed: set[SharedReceipt] = set()
        self._is_beating = False
        #: The requests that acquired locks, and the items that are being worked on.
        self._locks: set[Stamp] = set()
        self._items: set[SharedReceipt] = set()

    def _begin_if_forked(self) -> None:
        """Begin a new session in a forked process, as the current one belongs to its parent."""
        if self._process != os.getpid():
            self._begin()

    async def open(self, spec: SharedSpec) -> None:
        """Make a shared object, or find it."""
        await self._calls.call(SharedApi.open, spec)

    async def list_names(self) -> tuple[SharedStatus, ...]:
        """Return every shared object."""
        found: list[SharedStatus] = []
        while page := await self._calls.call(SharedApi.names, found[-1].name if found else ""):
            found += page
            if len(page) < NAMES_PER_PAGE:
                break
        return tuple(found)

    async def read(
        self,
        name: str,
        kind: str,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> SharedAnswer:
        """Read an object; with a limit, wait until then for an answer that is ``done``.

        If the limit is over and the coordinator is not reachable, the answer is not ``done``.
        """
        call = SharedCall(Stamp("", 0, 0), name, kind, operation, values, numbers)
        try:
            return await self._repeat(SharedApi.read, call, limit)
        except UnreachableError:
            if limit is None or not limit.is_over:
                raise
            return SharedAnswer(done=False)

    async def change(
        self,
        name: str,
        kind: str,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> SharedAnswer:
        """Change an object; with a limit, wait until then for the change to be possible.

        Raises UnreachableError if the coordinator is not reachable, after the usual wait or when
        the limit is over.
        """
        with self._take_lane() as stamp:
            call = SharedCall(stamp, name, kind, operation, values, numbers)
            return await self._request(call, limit)

    async def acquire(self, name: str, kind: str, limit: Limit) -> tuple[Stamp, int] | None:
        """Acquire a lock. Returns the request that acquired it, and its fencing number."""
        self._start_beating()
        try:
            with self._take_lane() as stamp:
                call = SharedCall(stamp, name, kind, "acquire", (), ())
                answer = await self._request(call, limit)
        except UnreachableError:
            if limit.is_over:  # if the request did arrive, it is abandoned and the lock is released
                return None
            raise
        if not answer.done:
            return None
        with self._lock:
            self._locks.add(stamp)
        return stamp, answer.numbers[0]

    async def release(self, name: str, kind: str, held: tuple[Stamp, int]) -> None:
        """Release a lock. Raises LockLostError."""
        self._begin_if_forked()
        stamp, fencing = held
        with self._lock:
            self._locks.discard(stamp)
        await self.change(name, kind, "release", numbers=(fencing,))

    async def take_item(self, name: str, kind: str, limit: Limit) -> SharedAnswer:
        """Get an item of a queue. The items that this thread or task has worked on are done."""
        self._start_beating()
        work = self._find_working().setdefault(name, Work())
        done = tuple(receipt.number for receipt in work.items)
        answer = await self.change(name, kind, "get", numbers=done, limit=limit)
        with self._lock:
            self._items -= work.items
            work.items = set()
            if answer.values:
                work.items = {SharedReceipt(name, answer.numbers[0])}
                work.unfinished += 1
                self._items |= work.items
        return answer

    async def finish_item(self, name: str, kind: str) -> bool:
        """Note that this thread or task is done with the item that it got.

        Returns False if that was noted for every item that it got.
        """
        self._begin_if_forked()
        work = self._find_working().get(name)
        if work is None or not work.unfinished:
            return False
        if work.items:
            numbers = tuple(one.number for one in work.items)
            await self.change(name, kind, "confirm", numbers=numbers)
            with self._lock:
                self._items -= work.items
                work.items = set()
        work.unfinished -= 1
        return True

    async def _request(self, call: SharedCall, limit: Limit | None) -> SharedAnswer:
        answer = await self._repeat(SharedApi.change, call, limit)
        if not answer.done:
            with self._lock:
                if self._is_beating:  # a lost copy of the request may still wait there
                    self._abandoned.add(call.stamp)
        return answer

    async def _repeat(
        self,
        method: Callable[[SharedApi, SharedCall], SharedAnswer],
        call: SharedCall,
        limit: Limit | None,
    ) -> SharedAnswer:
        """Ask once; with a limit, ask again until it is done or the time is over."""
        if limit is None:
            return await self._calls.call(method, call)
        patient = replace(call, wait_seconds=MAX_WAIT_SECONDS)
        with limit.applied():
            while True:
                answer = await self._calls.call(method, patient)
                if answer.done or limit.is_over:
                    return answer

    @contextlib.contextmanager
    def _take_lane(self) -> Generator[Stamp]:
        """Yield a stamp for one request, which is abandoned if it ends without an answer."""
        self._begin_if_forked()
        with self._lock:
            if self._closed:
                raise ClosedError
            self._used = True
            if self._lanes:
                lane, number = self._lanes.pop()
            else:
                lane, number = self._lane_count, 0
                self._lane_count += 1
        stamp = Stamp(self.id, lane, number + 1)
        try:
            yield stamp
        except (UnreachableError, KeyRefusedError, ProtocolError):
            self._abandon(stamp)
            raise
        except HeadraceError:
            raise  # it is an answer like any other
        except BaseException:
            self._abandon(stamp)
            raise
        finally:
            with self._lock:
                # The coordinator also closes the number after an abandoned one.
                self._lanes.append((lane, number + 2))

    def _abandon(self, stamp: Stamp) -> None:
        with self._lock:
            self._abandoned.add(stamp)
        self._start_beating()
        self._beat_now()

    @abstractmethod
    def _start_beating(self) -> None:
        """Begin to send heartbeats, if that has not begun yet."""

    @abstractmethod
    def _beat_now(self) -> None:
        """Send a heartbeat now."""

    @abstractmethod
    def _find_working(self) -> Working:
        """Return what this thread or task has got from queues."""

    def _end(self) -> bool:
        """Accept no more requests. Returns whether the coordinator must be told."""
        with self._lock:
            used, self._used = self._used, False
            self._confirmed |= self._items
            self._closed = True
            self._items.clear()
            self._locks.clear()
        self._beat_now()
        return used

    async def _say_goodbye(self, limit: Limit) -> None:
        """Have the coordinator release what this session holds, which it would do later anyway."""
        with contextlib.suppress(HeadraceError), limit.applied():
            if self._confirmed:
                await self._beat()
            await self._beats.call(SharedApi.leave, self.id)

    async def _beat(self) -> float:
        """Tell the coordinator that this session is alive. Returns the seconds until the next."""
        with self._lock:
            beat = SharedBeat(self.id, tuple(self._abandoned), tuple(self._confirmed))
        orders = await self._beats.call(SharedApi.beat, beat)
        with self._lock:
            self._abandoned.difference_update(beat.abandoned)
            self._confirmed.difference_update(beat.confirmed)
        return orders.lease_seconds / BEATS_PER_LEASE
