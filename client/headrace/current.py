"""The cluster that runs the task that is running here."""

from __future__ import annotations

import threading
from pathlib import Path

from headrace.cluster import Cluster
from headrace_services.home import STAY
from headrace_wire.errors import UsageError
from headrace_wire.key import load_key

_opening = threading.Lock()
_opened: list[TaskCluster] = []


class TaskCluster(Cluster):
    """A cluster as a slot has it: open as long as the slot lives."""

    def close(self) -> None:
        """Leave it open: the slot's next task may want it."""

    def leave(self) -> None:
        """Close it for good."""
        super().close()


def current_cluster() -> Cluster:
    """The cluster that runs this task: inside a function that a worker calls.

    A slot connects once, when it is first asked for. Raises UsageError in other processes.
    """
    home = STAY.home
    if home is None:
        raise UsageError(
            "current_cluster() is for functions that run on a worker: elsewhere open a "
            "headrace.Cluster, or use that of a pool: pool.cluster"
        )
    with _opening:
        if not _opened:
            cluster = TaskCluster(home.address, load_key(Path(home.key_file)))
            STAY.on_task_end.append(cluster._end_task)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # our own class
            STAY.on_slot_end.append(cluster.leave)
            _opened.append(cluster)
        return _opened[0]
