"""A session of an event loop; see ``headrace.shared.session``. Its heart is a task of the loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from headrace.shared.session_base import (
    BEAT_ANSWER_SECONDS,
    BEATS_PER_LEASE,
    FIRST_BEAT_SECONDS,
    GOODBYE_SECONDS,
    NOT_DONE,
    SessionBase,
)
from headrace_wire.api import MAX_WAIT_SECONDS, NAMES_PER_PAGE, SharedApi
from headrace_wire.errors import HeadraceError, UnreachableError
from headrace_wire.manager import QueueManager
from headrace_wire.shared import (
    SharedAnswer,
    SharedCall,
    SharedReceipt,
    SharedSpec,
    SharedStatus,
    Stamp,
)
from headrace_wire.timeouts import Limit

log = logging.getLogger(__name__)


class AsyncSession(SessionBase):
    """Calls on shared state, from the tasks of one event loop."""

    def __init__(self, manager: QueueManager) -> None:
        self._api = manager.async_shared()
        self._beats = manager.async_shared(BEAT_ANSWER_SECONDS, patient=False)
        super().__init__()

    def _begin(self) -> None:
        super()._begin()
        #: The item that each task works on, by queue.
        self._working: weakref.WeakKeyDictionary[
            asyncio.Task[Any], dict[str, set[SharedReceipt]]
        ] = weakref.WeakKeyDictionary()
        self._wake = asyncio.Event()
        self._heart: asyncio.Task[None] | None = None

    async def open(self, spec: SharedSpec) -> None:
        """Make a shared object, or find it."""
        await self._api.call(SharedApi.open, spec)

    async def list_names(self) -> tuple[SharedStatus, ...]:
        """Every shared object there is."""
        found: list[SharedStatus] = []
        while page := await self._api.call(SharedApi.names, found[-1].name if found else ""):
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
        """See ``SharedSession.read``."""
        call = SharedCall(Stamp("", 0, 0), name, kind, operation, values, numbers)
        try:
            return await self._repeat(SharedApi.read, call, limit)
        except UnreachableError:
            if limit is None or not limit.is_over:
                raise
            return NOT_DONE

    async def change(
        self,
        name: str,
        kind: str,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> SharedAnswer:
        """See ``SharedSession.change``."""
        answer = await self._request(name, kind, operation, *values, numbers=numbers, limit=limit)
        return answer[1]

    async def acquire(self, name: str, kind: str, limit: Limit) -> tuple[Stamp, int] | None:
        """Take a lock: the request that took it, and its fencing number."""
        self._start_heart()
        try:
            stamp, answer = await self._request(name, kind, "acquire", limit=limit)
        except UnreachableError:
            if limit.is_over:  # if the request did arrive, the lock comes free: it is abandoned
                return None
            raise
        if not answer.done:
            return None
        self._note_lock(stamp)
        return stamp, answer.numbers[0]

    async def release(self, name: str, kind: str, held: tuple[Stamp, int]) -> None:
        """Let go of a lock. Raises LockLostError."""
        stamp, fencing = held
        self._forget_lock(stamp)
        await self.change(name, kind, "release", numbers=(fencing,))

    async def take_item(self, name: str, kind: str, limit: Limit) -> SharedAnswer:
        """Take an item of a queue; that with which this task was busy is done."""
        self._start_heart()
        working = self._find_working()
        done = tuple(receipt.number for receipt in working.get(name, ()))
        answer = await self.change(name, kind, "get", numbers=done, limit=limit)
        self._note_item(name, working, answer)
        return answer

    async def finish_item(self, name: str, kind: str) -> None:
        """Say that this task is done with the item that it took."""
        working = self._find_working()
        done = working.get(name, set())
        if done:
            await self.change(name, kind, "confirm", numbers=tuple(one.number for one in done))
            self._forget_item(name, working)

    async def close(self) -> None:
        """Say goodbye, once: locks come free, and items count as done."""
        used = self._end()
        heart, self._heart = self._heart, None
        if heart:
            heart.cancel()
        if used:
            # If it fails, what it holds comes free after a while.
            with contextlib.suppress(HeadraceError), Limit.after(GOODBYE_SECONDS).applied():
                if self._confirmed:
                    await self._beat()
                await self._beats.call(SharedApi.leave, self.id)
        self._api.close(for_good=True)
        self._beats.close(for_good=True)

    async def _request(
        self,
        name: str,
        kind: str,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> tuple[Stamp, SharedAnswer]:
        with self._take_lane() as stamp:
            call = SharedCall(stamp, name, kind, operation, values, numbers)
            answer = await self._repeat(SharedApi.change, call, limit)
            if not answer.done:
                self._note_undone(stamp)
            return stamp, answer

    async def _repeat(
        self,
        method: Callable[[SharedApi, SharedCall], SharedAnswer],
        call: SharedCall,
        limit: Limit | None,
    ) -> SharedAnswer:
        """Ask once, or with a limit again until it is done or time is over."""
        if limit is None:
            return await self._api.call(method, call)
        patient = replace(call, wait_seconds=MAX_WAIT_SECONDS)
        with limit.applied():
            while True:
                answer = await self._api.call(method, patient)
                if answer.done or limit.is_over:
                    return answer

    def _find_working(self) -> dict[str, set[SharedReceipt]]:
        task = asyncio.current_task()
        assert task, "shared state is awaited by tasks"
        return self._working.setdefault(task, {})

    def _wake_heart(self) -> None:
        self._wake.set()

    def _start_heart(self) -> None:
        if self._heart is None and not self._closed:
            self._used = self._beats_now = True
            self._heart = asyncio.create_task(self._keep_beating(), name="headrace-heart")

    async def _keep_beating(self) -> None:
        pause = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            try:
                pause = await self._beat()
            except HeadraceError as error:
                log.debug("no answer to a heartbeat: %s", error)
                pause = FIRST_BEAT_SECONDS

    async def _beat(self) -> float:
        """Tell the coordinator that this session lives. Returns the seconds until the next time."""
        beat = self._write_beat()
        orders = await self._beats.call(SharedApi.beat, beat)
        self._note_beat(beat)
        return orders.lease_seconds / BEATS_PER_LEASE
