"""Limits the connections of a server: their memory in total, and the speed of each."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable

from headrace_wire.budget import SHORT_BYTES, Budget
from headrace_wire.framing import EAGER_BYTES, FrameReader
from headrace_wire.meter import HURRIED, PATIENT, Meter, Pace
from headrace_wire.refusal_log import MEMORY, STALLED
from headrace_wire.system.heap import give_blocks_back
from headrace_wire.system.memory import choose_flight_bytes, count_own_memory

#: How many bytes are reserved for an answer before it is made, and for how many seconds: a call
#: that waits for news should not block others.
EXPECTED_BYTES = 32 << 20
RESERVED_SECONDS = 1.0

#: After how many seconds the memory of frames is returned to the system. When this many connections
#: have ended, their memory is returned, too, after CONNECTIONS_CLEANUP_SECONDS.
CLEANUP_SECONDS = 1.0
CONNECTIONS_PER_CLEANUP = 100
CONNECTIONS_CLEANUP_SECONDS = 5.0
#: How often this is repeated: TLS keeps the memory of a connection until the peer has closed it.
CLEANUP_ROUNDS = 3
#: If Python has more blocks of memory than this, garbage collection is left to Python, because it
#: would take too long: about 0.1 ms for a thousand blocks.
MANY_BLOCKS = 500_000


class Guard:
    """The budgets of a server: frames that arrive and answers that leave, on all connections
    together, may each take ``flight_bytes``, by default what suits this process's memory.
    """

    def __init__(self, flight_bytes: int | None = None) -> None:
        most = choose_flight_bytes(count_own_memory()) if flight_bytes is None else flight_bytes
        self.arriving = Budget(most)
        self.leaving = Budget(most)
        self._cleanup: asyncio.TimerHandle | None = None
        self._ended = 0
        self._rounds = 0

    def schedule_cleanup(self, seconds: float = CLEANUP_SECONDS) -> None:
        """Soon return the memory of incomplete frames to the system, because nobody else needs
        blocks of such sizes.
        """
        if self._cleanup is None:
            loop = asyncio.get_running_loop()
            self._cleanup = loop.call_later(seconds, self._give_back)

    def note_end(self) -> None:
        """Note that a connection has ended. The memory of many of them is returned to the system,
        too: with TLS, a connection that never proves anything takes about 100 KiB.
        """
        self._ended += 1
        if self._ended >= CONNECTIONS_PER_CLEANUP:
            self._ended = 0
            self._rounds = CLEANUP_ROUNDS
            self.schedule_cleanup(CONNECTIONS_CLEANUP_SECONDS)

    def close(self) -> None:
        if self._cleanup:
            self._cleanup.cancel()

    def _give_back(self) -> None:
        self._cleanup = None
        if self.arriving.total:
            self.schedule_cleanup()  # this takes a moment, and frames are arriving
            return
        if self._rounds:
            self._rounds -= 1
            self.schedule_cleanup(CONNECTIONS_CLEANUP_SECONDS)
            if sys.getallocatedblocks() < MANY_BLOCKS:
                gc.collect()  # a TLS connection and its parts refer to each other
        give_blocks_back()


class Turn:
    """The place of an answer among those that leave."""

    def __init__(self, groups: tuple[str, ...]) -> None:
        self.groups = groups
        self._news: asyncio.Future[None] | None = None

    def resume(self) -> None:
        if self._news and not self._news.done():
            self._news.set_result(None)

    async def wait(self, budget: Budget) -> None:
        """Wait until an answer may be made."""
        if budget.reserve(self, EXPECTED_BYTES):
            return
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        except BaseException:
            budget.release(self)
            raise
        finally:
            self._news = None


class Guarded:
    """One connection of a guarded server: its frames and its answers.

    ``pause`` and ``resume`` stop and start reading from it; ``drop`` closes it, for a reason.
    """

    def __init__(
        self,
        guard: Guard,
        groups: tuple[str, ...],
        frames: FrameReader,
        count_sent: Callable[[], int],
        pause: Callable[[], None],
        resume: Callable[[], None],
        drop: Callable[[str], object],
    ) -> None:
        self._guard = guard
        self._frames = frames
        self._pause = pause
        self._resume = resume
        self._drop = drop
        self.groups = groups
        self._reserved: asyncio.TimerHandle | None = None
        self._turn = Turn(groups)
        frames.is_guarded = True
        self._arriving = Meter(lambda: frames.bytes_in, self._find_arriving_pace, self._end)
        self._leaving = Meter(count_sent, self._find_leaving_pace, self._end)

    def prepare(self) -> None:
        """Set how much memory a new frame gets before its bytes have arrived."""
        is_ample = self._guard.arriving.is_ample
        self._frames.eager_bytes = EAGER_BYTES if is_ample else SHORT_BYTES

    def grow(self) -> None:
        """Handle a part of a frame that has arrived. Raises MemoryError."""
        if not self._frames.begun:
            return
        self._arriving.start()
        if self._guard.arriving.claim(self, self._frames.wanted):
            self._frames.grow()
        else:
            self._arriving.stop()  # the peer waits for this side
            self._pause()

    def resume(self) -> None:
        """Continue with a frame, for which there is room now."""
        self._arriving.start()
        try:
            self._frames.grow()
        except MemoryError:
            self.lack_memory()
        else:
            self._resume()

    def lack_memory(self) -> None:
        """Close the connection, because there is no memory for a frame."""
        self._drop(MEMORY)

    def finish_frame(self) -> None:
        """Note that a frame is complete."""
        self._arriving.stop()

    def release_frame(self) -> None:
        """Note that the last frame has been released."""
        self._guard.arriving.release(self)

    @property
    def lacks_room(self) -> bool:
        """Whether answers may have to wait."""
        return not self._guard.leaving.is_ample

    async def find_room(self) -> None:
        """Wait until an answer may be made."""
        leaving, turn = self._guard.leaving, self._turn
        await turn.wait(leaving)
        loop = asyncio.get_running_loop()
        self._reserved = loop.call_later(RESERVED_SECONDS, leaving.release, turn)

    def begin_answer(self, size: int) -> None:
        if self._reserved:
            self._reserved.cancel()
            self._reserved = None
        self._guard.leaving.hold(self._turn, size)

    def wait_for_reader(self) -> None:
        """Note that the peer has to read before more is sent."""
        self._leaving.start()

    def end_answer(self) -> None:
        self._leaving.stop()
        self._guard.leaving.release(self._turn)

    def close(self) -> None:
        """Note that the connection has ended."""
        self._arriving.close()
        self._leaving.close()
        if self._reserved:
            self._reserved.cancel()
        if self._guard.arriving.measure(self) > EAGER_BYTES:
            self._guard.schedule_cleanup()
        self._guard.arriving.release(self)
        self._guard.leaving.release(self._turn)

    def _end(self) -> None:
        self._drop(STALLED)

    def _find_arriving_pace(self) -> Pace:
        return HURRIED if self._guard.arriving.is_short else PATIENT

    def _find_leaving_pace(self) -> Pace:
        return HURRIED if self._guard.leaving.is_short else PATIENT
