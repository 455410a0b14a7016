"""The thread that submits a stream's job and sends its inputs until the stream ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from msgspec.structs import replace

from headrace.streams.lanes import Lanes
from headrace.streams.lifetime import Lifetime
from headrace.streams.outbox import Outbox
from headrace.submission import advise_on_service, describe_span, wait_for_room
from headrace_wire.api import JobQueueApi
from headrace_wire.errors import HeadraceError, JobStateError, ServiceMissingError
from headrace_wire.messages.jobs import JobSpec
from headrace_wire.tracing import open_span, write_trace

log = logging.getLogger(__name__)


class Sender:
    """Submits a stream's job and sends its inputs.

    ``on_ready`` is called when the job has been submitted, ``on_sent`` when more inputs have
    arrived, and ``on_broken`` when no more can be sent. ``on_held`` is called with the reason while
    the job itself has to wait for room.
    """

    def __init__(
        self,
        jobs: JobQueueApi,
        spec: JobSpec,
        lifetime: Lifetime,
        lanes: Lanes,
        *,
        on_ready: Callable[[], object],
        on_sent: Callable[[], object],
        on_broken: Callable[[HeadraceError], object],
        on_held: Callable[[str], object] | None = None,
        traced: bool,
    ) -> None:
        self._jobs = jobs
        self._spec = spec
        self._lifetime = lifetime
        self._lanes = lanes
        self._on_ready = on_ready
        self._on_sent = on_sent
        self._on_broken = on_broken
        self._on_held = on_held
        #: The program's tracing span, the parent of those of the job; otherwise each task has one.
        self._trace = write_trace() if traced else ""
        self._is_traced = traced
        self._running = threading.Lock()
        self.outbox = Outbox(self._put_batch, lanes)

    def start(self) -> None:
        """Start the thread. If that is interrupted, the next call may start a second thread; only
        the first of them goes on.
        """
        if self._is_traced:
            self._trace = write_trace() or self._trace
        threading.Thread(target=self._run, name="headrace-sender", daemon=True).start()

    def _run(self) -> None:
        if not self._running.acquire(blocking=False):
            return
        lifetime, outbox = self._lifetime, self.outbox
        try:
            self._begin()
            self._on_ready()
            outbox.open()
            while not lifetime.ended:
                if not outbox.advance(self._on_sent):
                    if lifetime.closed and outbox.sent == outbox.count:
                        self._jobs.seal(self._spec.id, outbox.sent)
                        return
                    outbox.wait()
        except HeadraceError as error:
            self._on_broken(error)
        except BaseException as error:
            job = self._spec.id
            log.exception("the sender of job %s failed", job)
            self._on_broken(HeadraceError(f"the calls of job {job} are lost: {error!r}"))
        finally:
            self._lanes.close()

    def _begin(self) -> None:
        try:
            if self._is_traced:
                about = describe_span(self._spec)
                with open_span("headrace submit", "PRODUCER", about, parent=self._trace):
                    self._spec = replace(self._spec, trace=write_trace())
                    self._submit()
            else:
                self._submit()
        except ServiceMissingError as error:
            raise advise_on_service(error, self._spec) from None

    def _submit(self) -> None:
        self._wait_for_room(lambda: self._jobs.submit(self._spec), self._on_held)

    def _put_batch(self, start: int, packed: bytes) -> None:
        self._wait_for_room(lambda: self._jobs.put(self._spec.id, start, packed))

    def _wait_for_room(
        self, call: Callable[[], object], on_held: Callable[[str], object] | None = None
    ) -> None:
        """Repeat a call until the coordinator has room for it, unless the stream has ended."""

        def wait_on(held_because: str) -> None:
            log.info("%s", held_because)
            if self._lifetime.ended:
                raise JobStateError("nobody waits for room in the spool any more")
            if on_held:
                on_held(held_because)

        if not self._lifetime.ended:
            wait_for_room(call, wait_on)
