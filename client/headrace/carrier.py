"""Large data that all calls of a pool or of a map have in common; see ``data_jobs``.

It is dropped when the pool or the map ends, and the coordinator forgets it when this program has
not been heard of for a while; until then a thread has the coordinator hear of it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from headrace.data_jobs import find_large, make_data_spec, refer
from headrace.engine import Engine
from headrace.submission import wait_for_room
from headrace_services.service import Parameters
from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError
from headrace_wire.locks import make_lock
from headrace_wire.messages.results import CollectRequest

log = logging.getLogger(__name__)

#: Seconds between words to the coordinator.
BEAT_SECONDS = 20.0


class Carrier:
    """Thread safe. ``close`` ends it; what is kept then goes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = make_lock()
        #: By the data's own identity: what all jobs of a pool share is kept once.
        self._shared: dict[int, tuple[bytes, str]] = {}
        self._kept: set[str] = set()
        self._bell: SimpleQueue[str | None] = SimpleQueue()
        self._started = self._closed = False

    def lift(
        self, parameters: Parameters, shared: Parameters
    ) -> tuple[Parameters, Callable[[], None] | None]:
        """Take what is large out of a job's parameters.

        Returns those that are left, and what is to be called when the job has ended. What is in
        ``shared``, too, is kept for other jobs. Raises UsageError for what is too large, and
        UnreachableError.
        """
        large = find_large(parameters)
        if not large:
            return parameters, None
        jobs: dict[str, str] = {}
        own: list[str] = []
        with self._lock:
            for name, value in large.items():
                if shared.get(name) is not value:
                    jobs[name] = self._send(value, name)
                    own.append(jobs[name])
                elif id(value) in self._shared:
                    jobs[name] = self._shared[id(value)][1]
                else:
                    jobs[name] = self._send(value, name)
                    self._shared[id(value)] = value, jobs[name]

        def drop() -> None:
            for job in own:
                self._bell.put(job)

        return refer(parameters, large, jobs), drop

    def close(self) -> None:
        """Let everything go. Nobody is waited for."""
        self._closed = True
        self._bell.put(None)

    def drop_all(self) -> None:
        """Have the coordinator forget what is left, if it can be reached."""
        with self._lock:
            left, self._kept = self._kept, set()
        with contextlib.suppress(HeadraceError):  # then it goes after a while
            for job in left:
                self._engine.jobs.delete(job)

    def _send(self, value: bytes, name: str) -> str:
        spec = make_data_spec(name)
        wait_for_room(lambda: self._engine.jobs.submit(spec), log.info)
        self._kept.add(spec.id)
        packed = pack_batch([value])
        wait_for_room(lambda: self._engine.jobs.put(spec.id, 0, packed), log.info)
        if not self._started:
            self._started = True
            threading.Thread(target=self._beat, name="headrace-carrier", daemon=True).start()
        return spec.id

    def _beat(self) -> None:
        while not self._closed:
            try:
                dropped = self._bell.get(timeout=BEAT_SECONDS)
            except Empty:
                self._be_heard()
                continue
            if dropped is None:
                return
            self._kept.discard(dropped)
            with contextlib.suppress(HeadraceError):  # then it goes after a while
                self._engine.jobs.delete(dropped)

    def _be_heard(self) -> None:
        for job in list(self._kept):
            request = CollectRequest(
                job=job,
                cursor=0,
                failure_cursor=0,
                max_bytes=1,
                wait_seconds=0.0,
                gather_seconds=0.0,
                delivered=(),
            )
            try:
                self._engine.results.collect(request)
            except HeadraceError as error:
                log.debug("data %s: %s", job, error)
