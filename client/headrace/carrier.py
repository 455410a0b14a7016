"""Large data that all calls of a pool or of a map have in common: it travels once to each worker.

    keep ─► a job of its own, whose one input is the data ─► the coordinator's store
    worker ◄── JobQueue.read, once ── a reference in the parameters of the jobs that need it

Nobody runs that job. It goes when it is dropped, or when this program has not been heard of for a
while; until then a thread has the coordinator hear of it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from headrace.engine import Engine
from headrace.submission import SubmitOptions, insist, make_job_spec
from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError, UsageError
from headrace_wire.framing import MAX_FRAME_BYTES
from headrace_wire.messages import DATA_SERVICE, CollectRequest

log = logging.getLogger(__name__)

#: Parameters of a job that may be carried so, where they have so many bytes.
CARRIED = ("initargs", "initializer", "function")
CARRIED_BYTES = 64 << 10

#: The most bytes: they travel in one frame, with some words around them.
MAX_DATA_BYTES = MAX_FRAME_BYTES - (1 << 16)

#: Seconds between words to the coordinator.
BEAT_SECONDS = 20.0


class Carrier:
    """Thread safe. ``close`` ends it; what is kept then goes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        #: By the data's own identity: what all jobs of a pool share is kept once.
        self._shared: dict[int, tuple[bytes, str]] = {}
        self._kept: set[str] = set()
        self._bell: SimpleQueue[str | None] = SimpleQueue()
        self._started = self._closed = False

    def lift(
        self, parameters: dict[str, object], shared: dict[str, object]
    ) -> tuple[dict[str, object], Callable[[], None]]:
        """Take what is large out of a job's parameters.

        Returns those that are left, and what is to be called when the job has ended. What is in
        ``shared``, too, is kept for other jobs. Raises UsageError for what is too large, and
        UnreachableError.
        """
        large = [
            (name, value)
            for name in CARRIED
            if isinstance(value := parameters.get(name), bytes) and len(value) >= CARRIED_BYTES
        ]
        if not large:
            return parameters, _do_nothing
        own: list[str] = []
        references: dict[str, list[object]] = {}
        for name, value in large:
            if shared.get(name) is value:
                job = self._keep_shared(value, name)
            else:
                job = self._keep(value, name)
                own.append(job)
            references[name] = [job, len(value)]
        left = {name: value for name, value in parameters.items() if name not in references}

        def drop() -> None:
            for job in own:
                self._bell.put(job)

        return {**left, "data": references}, drop

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

    def _keep_shared(self, value: bytes, name: str) -> str:
        with self._lock:
            known = self._shared.get(id(value))
            if known is None:
                known = self._shared[id(value)] = value, self._send(value, name)
        return known[1]

    def _keep(self, value: bytes, name: str) -> str:
        with self._lock:
            return self._send(value, name)

    def _send(self, value: bytes, name: str) -> str:
        if len(value) > MAX_DATA_BYTES:
            raise UsageError(
                f"the pool's {name} is too large to travel: {len(value)} bytes, of "
                f"{MAX_DATA_BYTES} at most; send a path, or let the function load it"
                if name != "function"
                else f"the function brings too much with it: {len(value)} bytes, of "
                f"{MAX_DATA_BYTES} at most; send a path, or let the function load it"
            )
        spec = make_job_spec(
            DATA_SERVICE,
            "keep",
            {},
            SubmitOptions(name=f"data of a pool's {name}"),
            tasks=None,
            carried=True,
            owned=True,
        )
        insist(lambda: self._engine.jobs.submit(spec), log.info)
        self._kept.add(spec.id)
        packed = pack_batch([value])
        insist(lambda: self._engine.jobs.put(spec.id, 0, packed), log.info)
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


def _do_nothing() -> None:
    pass
