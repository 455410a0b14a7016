"""The messages between an engine and ``run_span`` in another cluster.

    RemoteEngine ── SpanCall ──► run_span
    RemoteEngine ◄─ SpanNews (while it runs), SpanOutcome (at its end) ── run_span

They are packed as arrays of their fields, so that the other cluster only transports bytes. Both
sides have the same version of headrace, which is checked before a message is decoded.
"""

from __future__ import annotations

from msgspec import Struct

from headrace_services.permits import Permits
from headrace_worker.link.messages import Progress, TaskFailed, TaskLine, TasksDone


class SpanCall(Struct, frozen=True, array_like=True):
    """A request to run the tasks [start, stop) of a job, one after the other.

    ``run`` numbers the spans of one engine, whose name is ``worker``. ``inputs`` is None if the
    index is enough. If ``parameters`` is None, they are too large to be sent with the call: they
    are shared, followed by the large data that ``data`` names, in this order. ``tenant`` names the
    tenant whose tasks alone may run in the same process as these. Modules are also searched for in
    ``path``, after all other folders, and in the folders of the permits before all others.
    """

    worker: str
    run: int
    job: str
    service: str
    operation: str
    attempt: int
    start: int
    stop: int
    inputs: tuple[bytes, ...] | None
    parameters: bytes | None
    data: tuple[str, ...] = ()
    tenant: str = ""
    trace: str = ""
    permits: Permits = Permits()
    path: tuple[str, ...] = ()


class SpanNews(Struct, frozen=True, array_like=True):
    """News of a running span: which task is running, and for how many seconds.

    ``index`` is None while the job is being prepared and no task is running.
    """

    worker: str
    run: int
    index: int | None
    seconds: float
    lines: list[TaskLine]
    progress: Progress | None = None


class SpanOutcome(Struct, array_like=True):
    """The outcomes of the tasks of a span, and the lines of these tasks that were not reported
    before.
    """

    outcomes: list[TasksDone | TaskFailed]
    lines: list[TaskLine]
