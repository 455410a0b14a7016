"""A session of an event loop. A task of the loop sends its heartbeats."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from typing import Any

from headrace.async_shared.session_base import (
    BEAT_ANSWER_SECONDS,
    FIRST_BEAT_SECONDS,
    GOODBYE_SECONDS,
    SessionBase,
    Working,
)
from headrace_wire.errors import HeadraceError
from headrace_wire.manager import QueueManager
from headrace_wire.timeouts import Limit

log = logging.getLogger(__name__)


class AsyncSession(SessionBase):
    """A session for the tasks of one event loop."""

    def __init__(self, manager: QueueManager) -> None:
        self._api = manager.async_shared()
        self._beating = manager.async_shared(BEAT_ANSWER_SECONDS, patient=False)
        super().__init__(self._api, self._beating)

    def _begin(self) -> None:
        super()._begin()
        #: What each task has got from queues.
        self._working: weakref.WeakKeyDictionary[asyncio.Task[Any], Working] = (
            weakref.WeakKeyDictionary()
        )
        self._wake = asyncio.Event()
        self._beater: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Say goodbye, once: locks are released, and items count as done."""
        used = self._end()
        beater, self._beater = self._beater, None
        if beater:
            beater.cancel()
        if used:
            await self._say_goodbye(Limit.after(GOODBYE_SECONDS))
        self._api.close(for_good=True)
        self._beating.close(for_good=True)

    def _find_working(self) -> Working:
        task = asyncio.current_task()
        assert task, "shared state is awaited by tasks"
        return self._working.setdefault(task, {})

    def _beat_now(self) -> None:
        self._wake.set()

    def _start_beating(self) -> None:
        if self._beater is None and not self._closed:
            self._used = self._is_beating = True
            self._beater = asyncio.create_task(self._keep_beating(), name="headrace-heartbeats")

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
