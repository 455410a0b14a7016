"""multiprocessing.Pool across machines, with no broker."""

from __future__ import annotations

from headrace_wire.version import VERSION

#: As in ``typing``, which takes longer to load than all else that is here: until the command line
#: has begun, Ctrl-C would show a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing import TimeoutError  # noqa: A004 - as multiprocessing has it
    from typing import Any

    from headrace.aio import AsyncCluster
    from headrace.backlog import ExecutorBrokenError
    from headrace.cluster import Cluster
    from headrace.current import current_cluster
    from headrace.embedded import EmbeddedClusterError
    from headrace.executor import Executor
    from headrace.ownership import ForkedError
    from headrace.pool import Pool
    from headrace.shared import ABSENT
    from headrace.submission import SubmitOptions
    from headrace_services.calls import CallOptions, RemoteError
    from headrace_services.permits import RefusedError
    from headrace_services.task import current_task
    from headrace_wire.errors import (
        BoundsError,
        BusyError,
        ClosedError,
        HeadraceError,
        JobIncompleteError,
        JobStateError,
        KeyRefusedError,
        LockLostError,
        NotAllowedError,
        OutputError,
        ProtocolError,
        QueueClosedError,
        ServiceMissingError,
        SharedFullError,
        SharedKindError,
        SpoolFullError,
        StoreError,
        TaskFailedError,
        UnexpectedAnswerError,
        UnknownJobError,
        UnknownMethodError,
        UnknownSharedError,
        UnknownWorkerError,
        UnreachableError,
        UsageError,
        WaitTimedOutError,
    )

__all__ = [
    "ABSENT",
    "AsyncCluster",
    "BoundsError",
    "BusyError",
    "CallOptions",
    "ClosedError",
    "Cluster",
    "EmbeddedClusterError",
    "Executor",
    "ExecutorBrokenError",
    "ForkedError",
    "HeadraceError",
    "JobIncompleteError",
    "JobStateError",
    "KeyRefusedError",
    "LockLostError",
    "NotAllowedError",
    "OutputError",
    "Pool",
    "ProtocolError",
    "QueueClosedError",
    "RefusedError",
    "RemoteError",
    "ServiceMissingError",
    "SharedFullError",
    "SharedKindError",
    "SpoolFullError",
    "StoreError",
    "SubmitOptions",
    "TaskFailedError",
    "TimeoutError",
    "UnexpectedAnswerError",
    "UnknownJobError",
    "UnknownMethodError",
    "UnknownSharedError",
    "UnknownWorkerError",
    "UnreachableError",
    "UsageError",
    "WaitTimedOutError",
    "__version__",
    "current_cluster",
    "current_task",
]

__version__ = VERSION

#: Where names live that are not in ``headrace_wire.errors``. Each is imported when it is first
#: asked for, so that the command line starts quickly.
_HOMES = {
    "ABSENT": "headrace.shared",
    "AsyncCluster": "headrace.aio",
    "CallOptions": "headrace_services.calls",
    "Cluster": "headrace.cluster",
    "EmbeddedClusterError": "headrace.embedded",
    "Executor": "headrace.executor",
    "ExecutorBrokenError": "headrace.backlog",
    "ForkedError": "headrace.ownership",
    "Pool": "headrace.pool",
    "RefusedError": "headrace_services.permits",
    "RemoteError": "headrace_services.calls",
    "SubmitOptions": "headrace.submission",
    "TimeoutError": "multiprocessing",
    "current_cluster": "headrace.current",
    "current_task": "headrace_services.task",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'headrace' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - as with typing

    # msgspec imports it, too, and would crash later if Ctrl-C had interrupted it there.
    import_module("datetime")
    return getattr(import_module(_HOMES.get(name, "headrace_wire.errors")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
