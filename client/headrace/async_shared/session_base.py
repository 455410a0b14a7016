"""A session: this process, as the coordinator knows it where shared state is concerned.

    calls, each on a lane ─► SharedApi.read, change (repeated under one stamp until answered)
    heartbeats ─► SharedApi.beat: it lives; what it waits for no more; which items it is done with

A task of the event loop, or a thread, sends heartbeats from the first lock or item that is taken
until ``close``, which says goodbye. A process that was forked begins a session of
its own. Calls are coroutines, which blocking sessions run as functions: see ``headrace.blocking``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

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

#: The items that somebody works on, by queue.
Working = dict[str, set[SharedReceipt]]

#: Beats in the time after which a silent session loses what it holds; two may be lost.
BEATS_PER_LEASE = 3

#: Seconds for which the answer to a beat is waited for.
BEAT_ANSWER_SECONDS = 4.0

#: Seconds for a goodbye, beside those for the answer under way: whoever leaves does not wait long
#: for a coordinator that is frozen. What was not said costs the others a lease's time.
GOODBYE_SECONDS = 0.5

#: Seconds between beats until the coordinator has said how long a lease lasts, and after one that
#: got no answer.
FIRST_BEAT_SECONDS = 1.0


class SessionBase(ABC):
    """Calls on shared state. Thread safe.

    ``beats`` calls what is not tried again: heartbeats and the goodbye.
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
        #: The requests by which locks were taken, and the items that are worked on.
        self._locks: set[Stamp] = set()
        self._items: set[SharedReceipt] = set()

    def _begin_if_forked(self) -> None:
        """Begin anew in a forked process: what there is belongs to its parent."""
        if self._process != os.getpid():
            self._begin()

    async def open(self, spec: SharedSpec) -> None:
        """Make a shared object, or find it."""
        await self._calls.call(SharedApi.open, spec)

    async def list_names(self) -> tuple[SharedStatus, ...]:
        """Every shared object there is."""
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
        """Look at an object; with a limit wait until then for an answer that is ``done``.

        When the limit is over and the coordinator is away, the answer is not ``done``.
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
        """Change an object; with a limit wait until then for that to be possible.

        Raises UnreachableError when the coordinator is away, for longer than it is waited for or
        when the limit is over.
        """
        with self._take_lane() as stamp:
            call = SharedCall(stamp, name, kind, operation, values, numbers)
            return await self._request(call, limit)

    async def acquire(self, name: str, kind: str, limit: Limit) -> tuple[Stamp, int] | None:
        """Take a lock: the request that took it, and its fencing number."""
        self._start_beating()
        try:
            with self._take_lane() as stamp:
                call = SharedCall(stamp, name, kind, "acquire", (), ())
                answer = await self._request(call, limit)
        except UnreachableError:
            if limit.is_over:  # if the request did arrive, the lock comes free: it is abandoned
                return None
            raise
        if not answer.done:
            return None
        with self._lock:
            self._locks.add(stamp)
        return stamp, answer.numbers[0]

    async def release(self, name: str, kind: str, held: tuple[Stamp, int]) -> None:
        """Let go of a lock. Raises LockLostError."""
        self._begin_if_forked()
        stamp, fencing = held
        with self._lock:
            self._locks.discard(stamp)
        await self.change(name, kind, "release", numbers=(fencing,))

    async def take_item(self, name: str, kind: str, limit: Limit) -> SharedAnswer:
        """Take an item of a queue; that with which this thread or task was busy is done."""
        self._start_beating()
        working = self._find_working()
        done = tuple(receipt.number for receipt in working.get(name, ()))
        answer = await self.change(name, kind, "get", numbers=done, limit=limit)
        with self._lock:
            self._items -= working.pop(name, set())
            if answer.values:
                working[name] = {SharedReceipt(name, answer.numbers[0])}
                self._items |= working[name]
        return answer

    async def finish_item(self, name: str, kind: str) -> None:
        """Say that this thread or task is done with the item that it took."""
        self._begin_if_forked()
        working = self._find_working()
        done = working.get(name, set())
        if done:
            await self.change(name, kind, "confirm", numbers=tuple(one.number for one in done))
            with self._lock:
                self._items -= working.pop(name)

    async def _request(self, call: SharedCall, limit: Limit | None) -> SharedAnswer:
        answer = await self._repeat(SharedApi.change, call, limit)
        if not answer.done:
            with self._lock:
                if self._is_beating:  # a lost copy of the request may wait there still
                    self._abandoned.add(call.stamp)
        return answer

    async def _repeat(
        self,
        method: Callable[[SharedApi, SharedCall], SharedAnswer],
        call: SharedCall,
        limit: Limit | None,
    ) -> SharedAnswer:
        """Ask once, or with a limit again until it is done or time is over."""
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
        """A stamp for one request, whose outcome is abandoned when it ends without an answer."""
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
            raise  # an answer like any other
        except BaseException:
            self._abandon(stamp)
            raise
        finally:
            with self._lock:
                # The coordinator closes the number above an abandoned one as well.
                self._lanes.append((lane, number + 2))

    def _abandon(self, stamp: Stamp) -> None:
        with self._lock:
            self._abandoned.add(stamp)
        self._start_beating()
        self._beat_now()

    @abstractmethod
    def _start_beating(self) -> None:
        """Begin to send heartbeats, if that has not begun."""

    @abstractmethod
    def _beat_now(self) -> None:
        """Have a heartbeat sent now."""

    @abstractmethod
    def _find_working(self) -> Working:
        """The items that this thread or task works on."""

    def _end(self) -> bool:
        """Take nothing more up. Returns whether the coordinator is to be told."""
        with self._lock:
            used, self._used = self._used, False
            self._confirmed |= self._items
            self._closed = True
            self._items.clear()
            self._locks.clear()
        self._beat_now()
        return used

    async def _say_goodbye(self, limit: Limit) -> None:
        """Have what this session holds come free. If it fails, that happens after a while."""
        with contextlib.suppress(HeadraceError), limit.applied():
            if self._confirmed:
                await self._beat()
            await self._beats.call(SharedApi.leave, self.id)

    async def _beat(self) -> float:
        """Tell the coordinator that this session lives. Returns the seconds until the next time."""
        with self._lock:
            beat = SharedBeat(self.id, tuple(self._abandoned), tuple(self._confirmed))
        orders = await self._beats.call(SharedApi.beat, beat)
        with self._lock:
            self._abandoned.difference_update(beat.abandoned)
            self._confirmed.difference_update(beat.confirmed)
        return orders.lease_seconds / BEATS_PER_LEASE
