"""Bells: how a call that waits hears that something happened, without polling.

A caller notes a bell's count, looks at the state, and if there is nothing for it waits until the
count changes. So nothing that happens between the look and the wait is missed.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict


class Bells:
    """Counts and waiters by topic. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rings = 0
        self._counts: dict[str, int] = {}
        self._forgotten = 0
        self._waiters: defaultdict[str, list[threading.Event]] = defaultdict(list)
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
            waiters = self._waiters.pop(topic, [])
        for waiter in waiters:
            waiter.set()

    def forget(self, topic: str) -> None:
        """Drop a topic for good, waking who waits for it."""
        self.ring(topic)
        with self._lock:
            self._counts.pop(topic, None)
            self._forgotten = self._rings

    def wait(self, topic: str, count: int, deadline: float) -> bool:
        """Wait until a topic has rung since ``count`` was read.

        False when the monotonic ``deadline`` came first or the bells were closed.
        """
        waiter = threading.Event()
        with self._lock:
            if self._closed:
                return False
            if self._count(topic) != count:
                return True
            self._waiters[topic].append(waiter)
        rang = waiter.wait(max(0.0, deadline - time.monotonic()))
        if not rang:
            with self._lock:
                if waiter in self._waiters.get(topic, ()):
                    self._waiters[topic].remove(waiter)
        return rang and not self._closed

    @property
    def closed(self) -> bool:
        return self._closed

    def _count(self, topic: str) -> int:
        """The topic's last ring; of one that is not known, that of the last one forgotten.

        So who counted before a topic was forgotten, and waits after, does not miss its last ring.
        """
        return self._counts.get(topic, self._forgotten)

    def close(self) -> None:
        """Wake everybody; nobody waits here any more."""
        with self._lock:
            self._closed = True
            waiters = [waiter for topic in self._waiters.values() for waiter in topic]
            self._waiters.clear()
        for waiter in waiters:
            waiter.set()
