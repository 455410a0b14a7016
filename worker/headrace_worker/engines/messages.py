"""What an engine and ``run_span`` say to each other across another cluster.

    RemoteEngine ── SpanCall ──► run_span
    RemoteEngine ◄─ SpanNews (while it runs), SpanOutcome (at its end) ── run_span

They travel packed, as arrays of their fields, so that the other cluster carries nothing but bytes
of ours. Both sides have the same version of headrace, which is checked before these are read.
"""

from __future__ import annotations

from msgspec import Struct

from headrace_services.permits import Permits
from headrace_worker.link.messages import Progress, TaskFailed, TaskLine, TasksDone


class SpanCall(Struct, frozen=True, array_like=True):
    """Run the tasks [start, stop) of a job, one after the other.

    ``run`` names the span among those of its engine, which has a name of its own for that
    (``worker``). ``inputs`` is None where the index is enough. Of ``parameters`` and those that are
    too large to travel with them (``data``, by their names) the content comes as what is shared, in
    this order; ``parameters`` is None then. ``tenant`` is whose tasks alone may run in a process
    together with these. Modules are also looked for in ``path``, after all others, and in the
    permits' own folders before all others.
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
    """What a span that runs has to tell: the task that runs, and for how many seconds.

    There is no such task while ``index`` is None: the job is being prepared.
    """

    worker: str
    run: int
    index: int | None
    seconds: float
    lines: list[TaskLine]
    progress: Progress | None = None


class SpanOutcome(Struct, array_like=True):
    """What came of the tasks of a span, each in one of ``outcomes``, and the lines that they have
    said and that were not told before.
    """

    outcomes: list[TasksDone | TaskFailed]
    lines: list[TaskLine]
