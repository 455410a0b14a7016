"""Bells: how a call that waits hears that something happened, without polling.

A caller notes a bell's count, looks at the state, and if there is nothing for it yields a ``Wait``
that ends when the count changes. So nothing that happens between the look and the wait is missed.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

from msgspec import Struct

from headrace_wire.loop import Loop, Resume
from headrace_wire.steps import Waiter


class Bells:
    """Counts and waiters by topic. Thread safe; who waits goes on in the loop's thread."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._rings = 0
        self._counts: dict[str, int] = {}
        self._forgotten = 0
        self._waiters: defaultdict[str, dict[Waiter, int]] = defaultdict(dict)
        self._closed = False

    def count(self, topic: str) -> int:
        """A number that changes when a topic rings: note it, look, and hand it to ``wait``."""
        with self._lock:
            return self._count(topic)

    def ring(self, topic: str) -> None:
        """Wake all who wait for a topic."""
        with self._lock:
            self._rings += 1
            self._counts[topic] = self._rings
            waiters = self._waiters.pop(topic, ())
        for waiter in waiters:
            waiter.end(rang=True)

    def ring_for_one(self, topic: str) -> None:
        """Wake who has waited longest for a topic, and who passes it on if there is more."""
        with self._lock:
            self._rings += 1
            self._counts[topic] = self._rings
        self.pass_on(topic)

    def pass_on(self, topic: str) -> None:
        """Wake the next one who waited when the topic rang last, if there is one left."""
        with self._lock:
            waiters = self._waiters.get(topic)
            if not waiters:
                return
            waiter, count = next(iter(waiters.items()))
            if count == self._count(topic):
                return
            del waiters[waiter]
            if not waiters:
                del self._waiters[topic]
        waiter.end(rang=True)

    def forget(self, topic: str) -> None:
        """Drop a topic for good, waking who waits for it."""
        self.ring(topic)
        with self._lock:
            self._counts.pop(topic, None)
            self._forgotten = self._rings

    def wait(self, topic: str, count: int, deadline: float) -> Wait:
        """A step until a topic has rung since ``count`` was read.

        It gives False when the monotonic ``deadline`` came first or the bells were closed.
        """
        return Wait(self, topic, count, deadline)

    def close(self) -> None:
        """Wake everybody; nobody waits here any more."""
        with self._lock:
            self._closed = True
            waiters = [waiter for topic in self._waiters.values() for waiter in topic]
            self._waiters.clear()
        for waiter in waiters:
            waiter.end(rang=False)

    @property
    def closed(self) -> bool:
        return self._closed

    def count_waiters(self, topic: str) -> int:
        """How many wait for a topic now."""
        with self._lock:
            return len(self._waiters.get(topic, ()))

    def add(self, wait: Wait, resume: Resume) -> Callable[[], None]:
        """Let somebody wait, or go on at once; returns what lets it be."""
        waiter = Waiter(self._loop, resume)
        with self._lock:
            rang = self._count(wait.topic) != wait.count
            if not rang and not self._closed:
                self._waiters[wait.topic][waiter] = wait.count
                waiter.timer = self._loop.call_at(wait.deadline, lambda: self._end(wait, waiter))
                return lambda: self._drop(wait.topic, waiter)
        waiter.end(rang=rang and not self._closed)
        return lambda: self._drop(wait.topic, waiter)

    def _count(self, topic: str) -> int:
        """The topic's last ring; of one that is not known, that of the last one forgotten.

        So who counted before a topic was forgotten, and waits after, does not miss its last ring.
        """
        return self._counts.get(topic, self._forgotten)

    def _end(self, wait: Wait, waiter: Waiter) -> None:
        self._leave(wait.topic, waiter)
        waiter.end(rang=False)

    def _drop(self, topic: str, waiter: Waiter) -> None:
        self._leave(topic, waiter)
        if waiter.drop():
            self.pass_on(topic)

    def _leave(self, topic: str, waiter: Waiter) -> None:
        with self._lock:
            waiters = self._waiters.get(topic)
            if waiters is not None:
                waiters.pop(waiter, None)
                if not waiters:
                    del self._waiters[topic]


class Wait(Struct, frozen=True):
    """A step; see ``Bells.wait``."""

    bells: Bells
    topic: str
    count: int
    deadline: float

    def start(self, resume: Resume) -> Callable[[], None]:
        return self.bells.add(self, resume)
