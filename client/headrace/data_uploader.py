"""Stores large data that all calls of a pool or of a map use; see ``data_jobs``.

The data are deleted when the pool or the map ends, or when the coordinator has not heard from this
program for a while; until then, a thread sends it heartbeats.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from headrace.data_jobs import find_large, make_data_spec, replace_large
from headrace.engine import Engine
from headrace.submission import HeldNotice, wait_for_room
from headrace_services.service import Parameters
from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError
from headrace_wire.locks import make_lock
from headrace_wire.messages.results import CollectRequest

log = logging.getLogger(__name__)

#: How many seconds pass between heartbeats.
BEAT_SECONDS = 20.0


class DataUploader:
    """Stores data until ``close`` is called. It is thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = make_lock()
        #: By the identity of the data: data that all jobs of a pool share are only stored once.
        self._shared: dict[int, tuple[bytes, str]] = {}
        self._kept: set[str] = set()
        self._bell: SimpleQueue[str | None] = SimpleQueue()
        self._started = self._closed = False

    def offload(
        self, parameters: Parameters, shared: Parameters
    ) -> tuple[Parameters, Callable[[], None] | None]:
        """Store the large parameters of a job separately, and replace them by references.

        Returns the new parameters, and a function to call when the job has ended. Parameters that
        are also in ``shared`` are kept for other jobs. Raises UsageError for data that are too
        large, and UnreachableError.
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

        return replace_large(parameters, large, jobs), drop

    def close(self) -> None:
        """Stop the heartbeats, without waiting for anything."""
        self._closed = True
        self._bell.put(None)

    def drop_all(self) -> None:
        """Have the coordinator delete what is left, if it can be reached."""
        with self._lock:
            left, self._kept = self._kept, set()
        with contextlib.suppress(HeadraceError):  # otherwise it is deleted after a while
            for job in left:
                self._engine.jobs.delete(job)

    def _send(self, value: bytes, name: str) -> str:
        spec, notice = make_data_spec(name), HeldNotice()
        wait_for_room(lambda: self._engine.jobs.submit(spec), notice)
        self._kept.add(spec.id)
        packed = pack_batch([value])
        wait_for_room(lambda: self._engine.jobs.put(spec.id, 0, packed), notice)
        if not self._started:
            self._started = True
            threading.Thread(target=self._beat, name="headrace-data", daemon=True).start()
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
            with contextlib.suppress(HeadraceError):  # otherwise it is deleted after a while
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
