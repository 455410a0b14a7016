"""The seam where a job is handed over: an engine takes jobs and gives back their results.

The first engine, and the one that everything here is written for, is a coordinator, embedded or
across the network. Whatever else can run the same services has to offer the same two queues.
"""

from __future__ import annotations

from typing import Protocol

from headrace_wire.api import JobQueueApi, ResultQueueApi, SharedApi
from headrace_wire.manager import ANSWER_SECONDS


class Engine(Protocol):
    """Runs jobs: a job queue and a result queue, and shared state beside them."""

    @property
    def jobs(self) -> JobQueueApi: ...

    @property
    def results(self) -> ResultQueueApi: ...

    def shared(self, answer_seconds: float = ANSWER_SECONDS, *, patient: bool = True) -> SharedApi:
        """Shared state. Not ``patient``: a call is tried once."""
        ...

    def interrupt(self) -> None:
        """End the calls that are under way; those that follow are tried once."""
        ...

    def close(self) -> None:
        """End all calls; those that follow raise ClosedError."""
        ...
