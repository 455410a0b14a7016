"""How a waiting call is woken when something has happened, without polling.

A call reads the version of a topic, checks the state, and if there is nothing for it, waits until
the version changes. So it does not miss anything that happens between the check and the wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from headrace_wire.api import MAX_WAIT_SECONDS

Found = TypeVar("Found")

#: A waiting call; its result says whether the topic was notified.
Waiter: TypeAlias = "asyncio.Future[bool]"


class Waiters:
    """The waiting calls, by topic. All methods must be called in the event loop's thread."""

    def __init__(self) -> None:
        self._notices = 0
        self._versions: dict[str, int] = {}
        self._forgotten = 0
        #: The waiters of each topic with the version that they know, the oldest first.
        self._waiting: dict[str, dict[Waiter, int]] = {}
        #: Whether ``close`` has been called.
        self.closed = False

    def version(self, topic: str) -> int:
        """Return a number that changes when a topic is notified: read it, check, then ``wait``.

        An unknown topic has the version of the topic that was forgotten last. So a call that read
        the version before its topic was forgotten, and waits afterwards, does not miss that.
        """
        return self._versions.get(topic, self._forgotten)

    def notify(self, topic: str) -> None:
        """Wake all calls that wait for a topic."""
        self._notices += 1
        self._versions[topic] = self._notices
        for waiter in self._waiting.pop(topic, ()):
            _wake(waiter, True)

    def notify_one(self, topic: str) -> None:
        """Wake the call that waits longest for a topic; it calls ``pass_on`` if there is more."""
        self._notices += 1
        self._versions[topic] = self._notices
        self.pass_on(topic)

    def pass_on(self, topic: str) -> None:
        """Wake the next call that was waiting when the topic was last notified, if there is one."""
        while waiting := self._waiting.get(topic):
            waiter, version = next(iter(waiting.items()))
            if version == self.version(topic):
                return
            self._leave(topic, waiter)
            if not waiter.done():  # otherwise its wait has ended, and its task is about to run
                waiter.set_result(True)
                return

    def forget(self, topic: str) -> None:
        """Remove a topic for good, and wake all calls that wait for it."""
        self.notify(topic)
        del self._versions[topic]
        self._forgotten = self._notices

    async def wait(self, topic: str, version: int, deadline: float) -> bool:
        """Wait until a topic has been notified since ``version`` was read.

        Returns False if the monotonic ``deadline`` passed first, or after ``close``.
        """
        if self.closed or self.version(topic) != version:
            return not self.closed
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(topic, {})[waiter] = version
        seconds = max(0.0, deadline - time.monotonic())
        timer = waiter.get_loop().call_later(seconds, _wake, waiter, False)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.done() and waiter.result():
                self.pass_on(topic)  # it was woken for something that others may want
            raise
        finally:
            timer.cancel()
            self._leave(topic, waiter)

    async def poll(
        self,
        topic: str,
        deadline: float,
        look: Callable[[], Awaitable[Found]],
        is_news: Callable[[Found], bool],
    ) -> Found:
        """Check each time that a topic is notified, until there is news. Returns the last
        result.
        """
        while True:
            version = self.version(topic)
            found = await look()
            if is_news(found) or not await self.wait(topic, version, deadline):
                return found

    def close(self) -> None:
        """Wake all calls; from now on none waits."""
        self.closed = True
        for waiting in self._waiting.values():
            for waiter in waiting:
                _wake(waiter, False)
        self._waiting.clear()

    def count_waiters(self, topic: str) -> int:
        return len(self._waiting.get(topic, ()))

    def _leave(self, topic: str, waiter: Waiter) -> None:
        waiting = self._waiting.get(topic, {})
        waiting.pop(waiter, None)
        if not waiting:
            self._waiting.pop(topic, None)


def find_deadline(wait_seconds: float) -> float:
    """Return the monotonic time at which a wait of this many seconds ends."""
    return time.monotonic() + min(wait_seconds, MAX_WAIT_SECONDS)


def _wake(waiter: Waiter, notified: bool) -> None:
    if not waiter.done():
        waiter.set_result(notified)
