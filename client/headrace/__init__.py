"""multiprocessing.Pool across machines, with no broker."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing import TimeoutError  # noqa: A004 - as multiprocessing has it

    from headrace.aio import AsyncCluster
    from headrace.cluster import Cluster
    from headrace.current import current_cluster
    from headrace.executor import Executor
    from headrace.pool import Pool
    from headrace.shared import ABSENT
    from headrace.submission import SubmitOptions
    from headrace_services.calls import RemoteError
    from headrace_services.task import current_task
    from headrace_wire.errors import (
        JobIncompleteError,
        LockLostError,
        QueueClosedError,
        TaskFailedError,
        UnreachableError,
        WaitTimedOutError,
    )

__all__ = [
    "ABSENT",
    "AsyncCluster",
    "Cluster",
    "Executor",
    "JobIncompleteError",
    "LockLostError",
    "Pool",
    "QueueClosedError",
    "RemoteError",
    "SubmitOptions",
    "TaskFailedError",
    "TimeoutError",
    "UnreachableError",
    "WaitTimedOutError",
    "current_cluster",
    "current_task",
]

#: Where each name lives; imported when it is first asked for, so that the command line stays quick.
_HOMES = {
    "AsyncCluster": "headrace.aio",
    "ABSENT": "headrace.shared",
    "Cluster": "headrace.cluster",
    "SubmitOptions": "headrace.submission",
    "TimeoutError": "multiprocessing",
    "Executor": "headrace.executor",
    "JobIncompleteError": "headrace_wire.errors",
    "LockLostError": "headrace_wire.errors",
    "Pool": "headrace.pool",
    "QueueClosedError": "headrace_wire.errors",
    "RemoteError": "headrace_services.calls",
    "TaskFailedError": "headrace_wire.errors",
    "UnreachableError": "headrace_wire.errors",
    "WaitTimedOutError": "headrace_wire.errors",
    "current_task": "headrace_services.task",
    "current_cluster": "headrace.current",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headrace' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
