"""The cluster that runs the task in this process."""

from __future__ import annotations

from functools import cache

from headrace.cluster import Cluster
from headrace.shared.connection import TaskConnection, open_task_connection
from headrace.shared.session import SharedSession


class TaskCluster(Cluster):
    """A cluster as a slot has it: it is open for as long as the slot exists."""

    def __init__(self, connection: TaskConnection) -> None:
        self._engine = connection.engine
        self._connection = connection
        self._address = "the coordinator of this task"

    def _open_shared(self) -> SharedSession:
        return self._connection.open_session()

    def close(self) -> None:
        """Do nothing, because the slot's next task may need it."""


def current_cluster() -> Cluster:
    """Return the cluster that runs this task, inside a function that a worker calls.

    It is meant for shared state: a task has no key, only a token of its job, with which everything
    else raises NotAllowedError. A slot connects once, when this is first called. Raises UsageError
    in other processes.
    """
    return _make_cluster(open_task_connection())


@cache
def _make_cluster(connection: TaskConnection) -> TaskCluster:
    return TaskCluster(connection)
