"""What a chaos run is told."""

from __future__ import annotations

from dataclasses import dataclass

#: Tasks in one job of a working client.
JOB_TASKS = 2500

#: Part of the slots' time that tasks sleep: so much work that a fault always meets some, so little
#: that a busy machine of two cores gets done.
LOAD = 0.4


@dataclass(frozen=True, slots=True)
class ChaosSettings:
    """``seconds``: for which faults are injected; ``limit_seconds``: after which the run is ended
    by force. ``namespaces``: use them where root and ``ip`` allow.
    """

    seed: int
    tasks: int
    seconds: float
    limit_seconds: float
    workers: int = 3
    slots: int = 3
    clients: int = 3
    lease_seconds: float = 2.0
    job_tasks: int = JOB_TASKS
    namespaces: bool = True

    @property
    def sleep_seconds(self) -> float:
        """How long each task sleeps, so that the tasks last about as long as the faults."""
        return LOAD * self.seconds * self.workers * self.slots / max(1, self.tasks)
