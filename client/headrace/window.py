"""How far a generator may be ahead of the consumer of its results."""

from __future__ import annotations

from queue import SimpleQueue

#: The approximate maximum of bytes of inputs and results that are pending. It is higher if the
#: coordinator is far away: a link of 1 Gbit/s holds 25 MB over 200 ms, which each task passes
#: twice, in addition to its waiting time.
WINDOW_BYTES = 32 << 20
FAR_WINDOW_BYTES = 128 << 20

#: The maximum number of pending tasks, however small they are.
WINDOW_TASKS = 20_000

#: How many tasks may always be pending, however large they are.
LEAST_TASKS = 64

#: The weight of the newest batch in the running mean of bytes per task.
MEAN_WEIGHT = 0.2


class Window:
    """Counts the tasks between the generator and the consumer.

    One thread feeds the window and waits in ``enter``. It is woken when the window is half empty,
    instead of for each task. The consumer may be interrupted by a signal at any point.
    """

    def __init__(self) -> None:
        self._entered = 0
        self._left = 0
        self._limit = WINDOW_TASKS
        self._mean_bytes = 1.0
        self._is_unlimited = False
        self._waiting = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._closed = False

    def enter(self) -> bool:
        """Wait until one more task may be pending. Returns False if the window was closed."""
        if self._inside >= self._limit:
            self._waiting = True
            while not self._may_go_on():
                self._bell.get()
            self._waiting = False
        self._entered += 1
        return not self._closed

    def leave(self, total: int) -> None:
        """Note how many outcomes the consumer has fetched in total."""
        self._left = total
        if self._waiting and self._may_go_on():
            self._bell.put(None)

    def learn(self, tasks: int, size_bytes: int, *, is_far: bool = False) -> None:
        """Note the size of the inputs or values of some tasks, and whether the coordinator is far
        away.
        """
        mean = self._mean_bytes + (size_bytes / tasks - self._mean_bytes) * MEAN_WEIGHT
        self._mean_bytes = mean
        most_bytes = FAR_WINDOW_BYTES if is_far else WINDOW_BYTES
        self._limit = int(min(WINDOW_TASKS, max(LEAST_TASKS, most_bytes / max(mean, 1.0))))

    def remove_limit(self) -> None:
        """Remove the limit, because somebody waits for the end, even if nobody fetches outcomes."""
        self._is_unlimited = True
        self._bell.put(None)

    def close(self) -> None:
        """Release the feeding thread."""
        self._closed = True
        self._bell.put(None)

    @property
    def _inside(self) -> int:
        return self._entered - self._left

    def _may_go_on(self) -> bool:
        return self._inside <= self._limit // 2 or self._is_unlimited or self._closed
