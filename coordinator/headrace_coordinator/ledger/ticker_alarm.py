"""When the ticker wakes: at the moment that it chose, or at an earlier one that it is told of."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable


class Alarm:
    """Wakes one thread; any other may bring the moment forward. ``clock`` tells the time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._moment = math.inf
        self._stopped = False

    def reset(self) -> None:
        """Forget what was told: to be called before the thread looks at what is due next."""
        with self._changed:
            self._moment = math.inf

    def bring_forward(self, moment: float) -> None:
        """Have the thread woken at this moment, if it is earlier than the one that it waits for."""
        with self._changed:
            if moment < self._moment:
                self._moment = moment
                self._changed.notify()

    def stop(self) -> None:
        """Wake the thread for the last time."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def wait(self, until: float, earliest: float = -math.inf) -> bool:
        """Wait until this moment, or that one which was told since ``reset`` if it is before.

        Before the ``earliest`` it never wakes. Returns False once it is stopped.
        """
        with self._changed:
            while not self._stopped:
                left = max(min(until, self._moment), earliest) - self._clock()
                if left <= 0:
                    return True
                self._changed.wait(left)
        return False
