"""How far a generator may be ahead of who consumes its results."""

from __future__ import annotations

import threading

#: Bytes of inputs and results that may be on their way, about.
WINDOW_BYTES = 32 << 20

#: Tasks that may be on their way, however small they are.
WINDOW_TASKS = 20_000

#: Tasks that may be on their way, however large they are.
LEAST_TASKS = 64

#: Weight of the newest batch in the running mean of bytes per task.
MEAN_WEIGHT = 0.2


class Window:
    """Counts tasks between the generator and the consumer. Thread safe.

    The feeding thread waits in ``enter``; it is woken when the window is half empty, not for each
    task.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._limit = WINDOW_TASKS
        self._mean_bytes = 1.0
        self._waiting = False
        self._closed = False

    def enter(self) -> bool:
        """Wait until one more task may be on its way. False when the window was closed."""
        if self._inside >= self._limit:
            with self._changed:
                self._waiting = True
                self._changed.wait_for(lambda: self._inside <= self._limit // 2 or self._closed)
                self._waiting = False
        with self._changed:
            self._inside += 1
        return not self._closed

    def leave(self, count: int) -> None:
        """Note that the consumer has taken so many outcomes."""
        with self._changed:
            self._inside -= count
            if self._waiting and self._inside <= self._limit // 2:
                self._changed.notify_all()

    def learn(self, tasks: int, size_bytes: int) -> None:
        """Note how large the inputs or the values of some tasks are."""
        mean = self._mean_bytes + (size_bytes / tasks - self._mean_bytes) * MEAN_WEIGHT
        self._mean_bytes = mean
        self._limit = int(min(WINDOW_TASKS, max(LEAST_TASKS, WINDOW_BYTES / max(mean, 1.0))))

    def close(self) -> None:
        """Let the feeding thread go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
