"""What runs at the other side of an engine: the tasks of a span, one after the other.

    RemoteEngine ─ Grid.run ─► run_span ─► SpanRun ─► service: a task after the other
    RemoteEngine ◄─ SpanNews ──┘ └─ SpanOutcome ─► RemoteEngine

The process belongs to another cluster. Services assume that a process runs one task at a time, as a
slot does, so spans take turns in a process that is given several at once. What is changed for a
span is changed back after it: standard output, standard error, and who hosts its tasks. What stays
is what the tasks themselves leave behind.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence

import msgspec

from headrace_services.home import THIS_SLOT
from headrace_services.permits import Permits
from headrace_services.task import host_tasks
from headrace_wire.version import VERSION
from headrace_worker.engines.messages import SpanCall, SpanOutcome
from headrace_worker.engines.span_run import IsCancelled, SpanRun, Tell
from headrace_worker.link.cell import Cell
from headrace_worker.link.runners import JobRunner, KeptJobs

#: What a task is told that asks for its cluster: there is no way from here that is sure to be open.
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

    ``tell`` passes packed SpanNews on meanwhile, where the cluster has a way for that, and
    ``is_cancelled`` says whether nobody wants the outcome any more; both are called from any
    thread. Raises RuntimeError where another ``version`` of headrace has made the call.
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
    """This process, as our tasks need it: for whoever holds ``lock``."""

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
            # What was prepared for others is prepared again for them, an initializer included.
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
    """Have modules found in these folders, before all others and after them."""
    before = len(sys.path)
    sys.path[:0] = [place for place in first if place not in sys.path]
    sys.path += [place for place in last if place not in sys.path]
    if len(sys.path) != before:
        importlib.invalidate_caches()


#: This process's own.
_HOST = _Host()
