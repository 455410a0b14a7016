"""The interface through which jobs are submitted: an engine runs jobs and returns their results.

The only engine so far is a coordinator, embedded or across the network. Anything else that can run
the same services would have to offer the same two queues.
"""

from __future__ import annotations

from typing import Protocol

from headrace_wire.api import JobQueueApi, ResultQueueApi, SharedApi
from headrace_wire.manager import ANSWER_SECONDS


class Engine(Protocol):
    """Runs jobs: it has a job queue, a result queue, and shared state."""

    @property
    def jobs(self) -> JobQueueApi: ...

    @property
    def results(self) -> ResultQueueApi: ...

    @property
    def lacks_room(self) -> bool:
        """Whether tasks wait for room in the coordinator's spool or on its disk."""
        ...

    def shared(self, answer_seconds: float = ANSWER_SECONDS, *, patient: bool = True) -> SharedApi:
        """Return the shared state. Unless ``patient``, a call is only tried once."""
        ...

    def interrupt(self) -> None:
        """End the pending calls. Later ones are only tried once."""
        ...

    def close(self) -> None:
        """End all calls. Later ones raise ClosedError."""
        ...
