"""The memory that a slot shares with its pool: which task runs, and since when.

There are eight words. Each is written by one side only, with an aligned store of 8 bytes::

    slot → pool   STARTED      number of the task that was started last
                  FINISHED     number of the task that was finished last; one runs if they differ
                  SINCE        when it was started (CLOCK_MONOTONIC, which processes share)
                  PREPARING    1 while the service prepares the job, before the task itself, and
                               INITIALIZING while it runs the user's own initializer for it
                  ASKED        number of the task that last asked whether it is cancelled
                  CUT_OFF      1 if the slot ends because its own descriptors were closed
    pool → slot   GENERATION   tasks sent under another generation must not be started any more
                  STOP         number of the task that should end because it is cancelled

When a slot dies, for whatever reason, its last state is here, so that exactly the task that ran is
charged. There is no lock that it could hold when it dies. Behind the words there is space for lines
of its tasks that it has not sent yet: see ``last_words``.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from headrace_worker.link.last_words import LastWords
from headrace_worker.link.shared_memory import (
    Handle,
    make_memory,
    map_memory,
    release,
    send_along,
    take,
)

#: The positions of the words in a cell.
STARTED, FINISHED, SINCE, PREPARING, GENERATION, ASKED, STOP, CUT_OFF = range(8)

#: The value of PREPARING while an initializer runs, to which the time limit of the tasks applies.
INITIALIZING = 2

#: The size of the words, and of the whole cell, in bytes. The rest takes memory only where it is
#: written.
WORDS_BYTES = 8 * 8
CELL_BYTES = 1 << 16


class Running(Struct, frozen=True):
    """The task that a slot runs: its number, when it started (monotonic), and whether it
    prepares.
    """

    number: int
    since_seconds: float
    preparing: bool
    initializing: bool = False


class Cell:
    """A shared memory with eight words and the last lines of tasks.

    It is passed to the child as a descriptor, without a name; on Windows by a name.
    """

    def __init__(self, handle: Handle | None = None) -> None:
        self.handle = make_memory(CELL_BYTES) if handle is None else handle
        self._memory = map_memory(self.handle, CELL_BYTES)
        whole = memoryview(self._memory)
        self.words = whole[:WORDS_BYTES].cast("Q")
        self.times = whole[:WORDS_BYTES].cast("d")
        self.last_words = LastWords(whole[WORDS_BYTES:])

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (send_along(self.handle),)

    @property
    def started(self) -> int:
        return self.words[STARTED]

    def read_running(self) -> Running | None:
        """Read a consistent state while the slot continues to write; None between tasks."""
        while True:
            started = self.words[STARTED]
            # The order matters: the slot sets SINCE again before it clears PREPARING.
            preparing = self.words[PREPARING]
            running = Running(
                started, self.times[SINCE], bool(preparing), preparing == INITIALIZING
            )
            finished = self.words[FINISHED]
            if started == self.words[STARTED]:
                return None if finished >= started else running

    def revoke(self) -> int:
        """Forbid the slot to start anything that was sent so far. Returns the new generation."""
        self.words[GENERATION] += 1
        return self.words[GENERATION]

    def ask_to_end(self, number: int) -> bool:
        """Tell a task that it is cancelled. Return False if it never asked."""
        self.words[STOP] = number
        return self.words[ASKED] == number

    @property
    def is_cut_off(self) -> bool:
        """Whether the slot ends because a task has closed descriptors that are not its own."""
        return bool(self.words[CUT_OFF])

    def close(self) -> None:
        self.words.release()
        self.times.release()
        self.last_words.release()
        self._memory.close()
        release(self.handle)


def _attach(sent: Any) -> Cell:
    return Cell(take(sent))
