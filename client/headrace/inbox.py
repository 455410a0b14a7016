"""What comes out of a stream: the outcomes of its job, each of them fetched once.

Each request acknowledges what the one before it has brought, so that neither the coordinator nor
its store grows with a stream that never ends.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from headrace.blocking import finish
from headrace.engine import Engine
from headrace.job_base import FAR_FETCH_BYTES, FETCH_BYTES
from headrace.lanes import Lanes
from headrace.reach import Reach
from headrace_wire.locks import make_lock
from headrace_wire.messages.results import Collected, CollectRequest
from headrace_wire.messages.spans import Span

#: Seconds without an outcome after which somebody may want to know why.
SILENCE_SECONDS = 3.0


class Inbox:
    """Outcomes that were fetched and that nobody has been told of. Used by one thread at a time.

    With ``gather_seconds`` outcomes may come that much later, and then many at a time.
    ``on_silence`` is told why none comes, after some seconds.
    """

    def __init__(
        self,
        engine: Engine,
        job: str,
        gather_seconds: float,
        on_silence: Callable[[str], None] | None,
        lanes: Lanes,
    ) -> None:
        self._jobs = engine.jobs
        self._results = engine.results
        self._job = job
        self._gather_seconds = gather_seconds
        self._on_silence = on_silence
        self._silent = on_silence is not None
        self._reach = Reach(FETCH_BYTES, FAR_FETCH_BYTES, lanes.look)
        self._lock = make_lock()
        self._place: tuple[int, int, tuple[Span, ...]] = (0, 0, ())
        self.untold: deque[Collected] = deque()

    def collect(self, wait_seconds: float) -> None:
        """Fetch what there is, waiting for it. Raises HeadraceError."""
        cursor, failure_cursor, delivered = self._place
        if self._silent:
            wait_seconds = min(wait_seconds, SILENCE_SECONDS)
        request = CollectRequest(
            job=self._job,
            cursor=cursor,
            failure_cursor=failure_cursor,
            max_bytes=self._reach.size_bytes,
            wait_seconds=wait_seconds,
            gather_seconds=self._gather_seconds,
            delivered=delivered,
        )
        begun = time.monotonic()
        collected = self._results.collect(request)
        size_bytes = sum(len(run.values) for run in collected.runs)
        if size_bytes >= FETCH_BYTES // 2:
            finish(self._reach.note(size_bytes, time.monotonic() - begun))
        spans = tuple(Span(run.start, run.stop) for run in collected.runs)
        with self._lock:
            # Neither can be interrupted without the other: no outcome is lost or comes twice.
            self._place = (collected.cursor, collected.failure_cursor, spans)
            self.untold.append(collected)
        self._silent = self._silent and not (spans or collected.failures)
        if wait_seconds and self._on_silence and not (spans or collected.failures):
            self._silent = False  # from now on it is looked as seldom as there is nothing
            if why := self._jobs.status(self._job).waiting_for:
                self._on_silence(why)
