"""Finds out what a dead slot was doing, and which task, if any, is charged for its death."""

from __future__ import annotations

import logging
import time

from msgspec import Struct

from headrace_wire.encoding import unpack
from headrace_wire.log_format import about
from headrace_wire.messages.failures import INITIALIZER_TIMEOUT, Reason, TaskFailure
from headrace_worker.link.failure import SUMMARY_CHARACTERS, clip
from headrace_worker.link.loader import resolve_loader
from headrace_worker.machine.oom import OomWatch
from headrace_worker.machine.processes import name_signal
from headrace_worker.pool.backlog import Span
from headrace_worker.pool.batch import Batch
from headrace_worker.pool.slot_process import SlotProcess

#: How many slots may die without a running task while the same task is the next to have an outcome,
#: before that task is charged: its input or its value may be what kills them.
UNEXPLAINED_DEATHS = 3

_log = logging.getLogger(__name__)


class Charged(Struct, frozen=True):
    """The task that is charged for a death, and for how long it had run."""

    span: Span
    busy_seconds: float
    preparing: bool = False
    initializing: bool = False


class Deaths:
    """Finds the task that is charged for a slot's death. Not thread-safe."""

    def __init__(self, loader: str, oom: OomWatch) -> None:
        self._loader = loader
        self._oom = oom
        self._loaded: set[str] = set()
        self._unexplained: dict[tuple[int, int], int] = {}

    def trust(self, service: str) -> None:
        """Note that a slot has loaded a service safely, so that it may describe tasks in this
        process.
        """
        self._loaded.add(service)

    def forget(self, key: int) -> None:
        """Forget what is known of the tasks of a batch that is no longer held."""
        for known in [known for known in self._unexplained if known[0] == key]:
            del self._unexplained[known]

    def find_charged(self, slot: SlotProcess) -> Charged | None:
        """Return the task to charge; None for none.

        The slot is dead and everything that it sent has been read, so its cell has its last state:
        a task that was started and not finished. This task is not charged if the pool killed the
        slot because of another task, which was finished at the last moment.
        """
        found = slot.find_running()
        if found is not None:
            piece, index, running = found
            if slot.kill_reason is not None and slot.killed_number != running.number:
                return None
            busy_seconds = max(0.0, time.monotonic() - running.since_seconds)
            span = Span(piece.batch, index, index + 1)
            return Charged(span, busy_seconds, running.preparing, running.initializing)
        if not slot.pieces or slot.retired or slot.kill_reason not in (None, "garbled"):
            return None
        piece = next(iter(slot.pieces.values()))
        suspect = (piece.batch.key, piece.start)
        deaths = self._unexplained.get(suspect, 0) + 1
        self._unexplained[suspect] = deaths
        if deaths < UNEXPLAINED_DEATHS:
            return None
        return Charged(Span(piece.batch, piece.start, piece.start + 1), 0.0)

    def report(self, slot: SlotProcess, charged: Charged, status: int | None) -> TaskFailure:
        """Describe why the charged task failed."""
        batch, index = charged.span.batch, charged.span.start
        reason: Reason = "crash"
        signal_name = error_type = ""
        if slot.kill_reason == "timeout":
            reason, signal_name = "timeout", "SIGKILL"
            message = f"ran longer than its limit of {batch.timeout_seconds:g} s"
            if charged.initializing:
                error_type = INITIALIZER_TIMEOUT
                message = f"the initializer {message}"
            elif charged.preparing:
                message = f"its job was still being prepared after {charged.busy_seconds:.0f} s"
        elif slot.kill_reason == "garbled":
            message = "something else than its slot wrote to the slot's socket"
        elif slot.cut_off or slot.kill_reason == "mute":
            message = (
                "it closed file descriptors that are its slot's own: "
                "close only those that it has opened"
            )
        else:
            reason, signal_name, message = self.explain_end(status)
        if charged.initializing and reason != "timeout":
            message = f"in the initializer, {message}"
        return TaskFailure(
            lease=batch.key,
            job=batch.job,
            index=index,
            attempt=batch.attempt,
            reason=reason,
            signal=signal_name,
            error_type=error_type,
            message=message,
            summary=self._describe(batch, index),
            cpu_seconds=slot.killed_cpu_seconds,
            busy_seconds=charged.busy_seconds,
        )

    def explain_end(self, status: int | None) -> tuple[Reason, str, str]:
        """Return why a slot with this exit status has died, its signal, and a message."""
        if status is None:
            return "crash", "", "the slot died; its exit status is not known"
        if status >= 0:
            return "crash", "", f"the slot exited: exit status {status}"
        name = name_signal(-status)
        if name == "SIGKILL" and self._oom.claim():
            message = "the kernel killed the slot: the memory limit of its cgroup was reached"
            return "oom", name, message
        return "crash", name, f"the slot was killed by {name}"

    def _describe(self, batch: Batch, index: int) -> str:
        if batch.service not in self._loaded:
            return ""
        try:
            service = resolve_loader(self._loader)(batch.service)
            parameters = unpack(batch.parameters)
            text = service.describe(batch.operation, parameters, index, batch.input_of(index))
        except BaseException:  # noqa: BLE001 - a third party's code must not end the worker
            _log.exception(
                "service %s cannot describe its task %d",
                batch.service,
                index,
                extra=about(batch.job, index, batch.attempt),
            )
            return ""
        return clip(str(text), SUMMARY_CHARACTERS)
