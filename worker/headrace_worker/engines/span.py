"""Runs the tasks of a span in a process of another cluster, one after the other.

    RemoteEngine ─ Grid.run ─► run_span ─► SpanRun ─► service: one task after the other
    RemoteEngine ◄─ SpanNews ──┘ └─ SpanOutcome ─► RemoteEngine

The process belongs to another cluster. Services assume that a process runs one task at a time, as a
slot does, so several spans in one process take turns. What is changed for a span is restored after
it: standard output, standard error, and the host of its tasks. What the tasks themselves leave
behind remains.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence

import msgspec

from headrace_services.permits import Permits
from headrace_services.task import host_tasks
from headrace_services.this_slot import THIS_SLOT
from headrace_wire.version import VERSION
from headrace_worker.engines.messages import SpanCall, SpanOutcome
from headrace_worker.engines.span_run import IsCancelled, SpanRun, Tell
from headrace_worker.link.cell import Cell
from headrace_worker.link.runners import JobRunner, KeptJobs

#: The error for a task that asks for its cluster: no connection from here is certain to work.
NO_HOME = (
    "current_cluster() has no shared state here: this task runs on another cluster, as its worker "
    "was started with --engine; run it on a worker with a pool of slots"
)


def run_span(
    version: str,
    call: bytes,
    *shared: bytes,
    tell: Tell | None = None,
    is_cancelled: IsCancelled | None = None,
) -> bytes:
    """Run the tasks of a packed SpanCall. Returns a packed SpanOutcome.

    ``tell`` passes packed SpanNews on meanwhile, if the cluster has a way to do that, and
    ``is_cancelled`` returns whether nobody wants the outcome any more. Both may be called from any
    thread. Raises RuntimeError if the call was made by another ``version`` of headrace.
    """
    if version != VERSION:
        raise RuntimeError(
            f"headrace {version} leased the tasks, and headrace {VERSION} is here: install the "
            "same version at both sides"
        )
    wanted = msgspec.msgpack.decode(call, type=SpanCall)
    with _HOST.lock:
        return msgspec.msgpack.encode(_HOST.run(wanted, shared, tell, is_cancelled))


class _Host:
    """The state of this process that our tasks need. Only the holder of ``lock`` may use it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._jobs: KeptJobs[JobRunner] = KeptJobs()
        self._permits = Permits()
        self._tenant = ""
        self._cell: Cell | None = None

    def run(
        self,
        call: SpanCall,
        shared: Sequence[bytes],
        tell: Tell | None,
        is_cancelled: IsCancelled | None,
    ) -> SpanOutcome:
        if self._cell is None:
            self._cell = Cell()
        _find_modules_in(call.permits.paths, call.path)
        THIS_SLOT.no_home = NO_HOME
        run = SpanRun(call, self._find_job(call, shared), self._cell, tell, is_cancelled)
        host_tasks(run.news)
        try:
            return run.run()
        finally:
            host_tasks(None)

    def _find_job(self, call: SpanCall, shared: Sequence[bytes]) -> JobRunner:
        if call.permits != self._permits or call.tenant not in ("", self._tenant):
            # What was prepared for others, including initializers, is prepared again for these.
            self._jobs = KeptJobs()
            self._permits = call.permits
        self._tenant = call.tenant or self._tenant
        name = f"{call.worker}\n{call.job}"
        job = self._jobs.touch(name)
        if job is None:
            given = list(shared)
            packed = given.pop(0) if call.parameters is None else call.parameters
            job = JobRunner(call.service, call.operation, packed)
            job.hold(dict(zip(call.data, given, strict=True)))
            self._jobs.keep(name, job)
        return job


def _find_modules_in(first: Sequence[str], last: Sequence[str]) -> None:
    """Search for modules in these folders: ``first`` before and ``last`` after all others."""
    before = len(sys.path)
    sys.path[:0] = [place for place in first if place not in sys.path]
    sys.path += [place for place in last if place not in sys.path]
    if len(sys.path) != before:
        importlib.invalidate_caches()


#: The state of this process.
_HOST = _Host()
