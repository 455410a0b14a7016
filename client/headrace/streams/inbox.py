"""The outcomes of a stream's job, each of which is fetched once.

Each request acknowledges the outcomes of the requests before it, so that the coordinator and its
store do not grow with a stream that never ends.

If the coordinator is far away, values that are ready are fetched in pieces, several at the same
time. The answer to an earlier request says where the pieces end:

    collect ─► outcomes, and a plan ─► collect_piece, collect_piece, … ─► collect
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial

from headrace.engine import Engine
from headrace.job_base import FETCH_BYTES
from headrace.streams.lanes import Lanes
from headrace_wire.locks import make_lock
from headrace_wire.messages.results import Collected, CollectRequest
from headrace_wire.messages.spans import Span
from headrace_wire.round_trip import FAR_SECONDS
from headrace_wire.window import MOST_CALLS

#: Seconds without an outcome after which the reason is looked up and passed to ``on_silence``.
SILENCE_SECONDS = 3.0

#: Maximum number of pieces that one request plans.
PLANNED_PIECES = 2 * MOST_CALLS


class Inbox:
    """Outcomes that were fetched but not passed on. Used by one thread at a time.

    With ``gather_seconds``, outcomes may be delayed by as many seconds so that more of them arrive
    together. ``on_silence`` is called with the reason if no outcome arrives for some seconds.
    """

    def __init__(
        self,
        engine: Engine,
        job: str,
        gather_seconds: float,
        on_silence: Callable[[str], None] | None,
    ) -> None:
        self._jobs = engine.jobs
        self._results = engine.results
        self._job = job
        self._gather_seconds = gather_seconds
        self._on_silence = on_silence
        #: Seconds without an outcome after which it is asked why; more and more of them.
        self._patience = SILENCE_SECONDS
        self._lanes = Lanes(engine.jobs.info)
        self._lock = make_lock()
        #: Two cursors, and the indices to acknowledge.
        self._place: tuple[int, int, tuple[Span, ...]] = (0, 0, ())
        self._pieces: deque[range] = deque()
        self._under_way: dict[Future[Collected], range] = {}
        #: The pending request that plans further pieces.
        self._planning: Future[Collected] | None = None
        self.undelivered: deque[Collected] = deque()

    def collect(self, wait_seconds: float, *, ahead: bool = False) -> None:
        """Wait for outcomes and fetch them. Raises HeadraceError.

        With ``ahead``, further outcomes may be left for ``collect_piece``, which must be called
        until it returns False. Both must then be called in one thread that signals do not
        interrupt.
        """
        cursor, failure_cursor, delivered = self._place
        if self._on_silence:
            wait_seconds = min(wait_seconds, self._patience)
        request = CollectRequest(
            job=self._job,
            cursor=cursor,
            failure_cursor=failure_cursor,
            max_bytes=FETCH_BYTES,
            wait_seconds=wait_seconds,
            gather_seconds=self._gather_seconds,
            delivered=delivered,
            pieces=PLANNED_PIECES if ahead and self._lanes.are_long else 0,
        )
        begun = time.monotonic()
        collected = self._results.collect(request)
        is_large = sum(len(run.values) for run in collected.runs) >= FETCH_BYTES // 2
        if ahead and is_large and time.monotonic() - begun >= FAR_SECONDS:
            self._lanes.measure()
        spans = _list_spans(collected)
        with self._lock:
            # An interruption cannot separate these two: no outcome is lost or passed on twice.
            self._place = (collected.cursor, collected.failure_cursor, spans)
            self.undelivered.append(collected)
        if collected.pieces:
            self._plan(collected.pieces)
        if spans or collected.failures:
            self._patience = SILENCE_SECONDS
        elif wait_seconds and self._on_silence:
            self._patience *= 2
            if why := self._jobs.status(self._job).waiting_for:
                self._on_silence(why)

    @property
    def has_pieces(self) -> bool:
        """Whether pieces are planned or being fetched."""
        return bool(self._pieces or self._under_way)

    def collect_piece(self) -> bool:
        """Fetch planned pieces until one has arrived. Returns False if none is left. Raises
        HeadraceError.
        """
        while self._pieces and len(self._under_way) < self._lanes.size:
            self._begin_piece()
        if not self._under_way:
            return False
        for future in wait(self._under_way, return_when=FIRST_COMPLETED).done:
            piece, collected = self._under_way.pop(future), future.result()
            cursor, failure_cursor, delivered = self._place
            if future is self._planning:  # the only one that fetches failures
                failure_cursor = collected.failure_cursor
            self._place = (cursor, failure_cursor, (*delivered, *_list_spans(collected)))
            self.undelivered.append(collected)
            if piece.start < collected.cursor < piece.stop:  # it ends before a damaged value
                self._pieces.appendleft(range(collected.cursor, piece.stop))
            if future is self._planning:
                self._planning = None
                self._plan(collected.pieces)
        return True

    def close(self) -> None:
        """End the threads that fetch pieces."""
        self._lanes.close()

    def _plan(self, stops: Sequence[int]) -> None:
        """Record where the next pieces end."""
        cursor, failure_cursor, delivered = self._place
        for stop in stops:
            self._pieces.append(range(cursor, stop))
            cursor = stop
        self._place = (cursor, failure_cursor, delivered)

    def _begin_piece(self) -> None:
        piece = self._pieces.popleft()
        cursor, failure_cursor, delivered = self._place
        is_planner = self._planning is None and len(self._pieces) < MOST_CALLS
        request = CollectRequest(
            job=self._job,
            cursor=piece.start,
            failure_cursor=failure_cursor,
            max_bytes=FETCH_BYTES,
            wait_seconds=0.0,
            gather_seconds=0.0,
            delivered=delivered,
            pieces=PLANNED_PIECES if is_planner else 0,
            planned=cursor,
            until=piece.stop,
        )
        self._place = (cursor, failure_cursor, ())
        future = self._lanes.begin(partial(self._results.collect, request))
        self._under_way[future] = piece
        if is_planner:
            self._planning = future


def _list_spans(collected: Collected) -> tuple[Span, ...]:
    return tuple(Span(run.start, run.stop) for run in collected.runs)
