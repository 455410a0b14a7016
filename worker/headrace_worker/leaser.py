"""The leaser asks the coordinator for work whenever the pool wants some.

    agent ─ look ─► leaser ─ lease (long-poll) ─► coordinator
    agent ◄─ count_wanted, on_leases ─┘

Its ``run`` is a call in the agent's loop, which ends when it is called off. What a request under
way may have been granted by then, the coordinator takes back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from headrace_wire.api import JobQueueApi
from headrace_wire.errors import UnknownWorkerError, is_final
from headrace_wire.loop import Answer, Loop
from headrace_wire.loop_caller import LoopCaller
from headrace_wire.messages import Lease, LeaseRequest
from headrace_wire.steps import Bell, Pause
from headrace_worker.holdings import Holdings

log = logging.getLogger(__name__)

#: Seconds that a request for work waits for some. A request on a link that was cut is repeated only
#: after that.
LEASE_WAIT_SECONDS = 5.0

#: Seconds between attempts when the coordinator's store cannot be read, or its answer.
ERROR_PAUSE_SECONDS = 1.0


class Leaser:
    """``count_wanted`` tells for how many slots work is wanted now, 0 for none."""

    def __init__(
        self,
        loop: Loop,
        jobs: LoopCaller[JobQueueApi],
        worker: str,
        *,
        holdings: Holdings,
        register: Callable[[LoopCaller[JobQueueApi]], Answer[object]],
        count_wanted: Callable[[], int],
        on_leases: Callable[[tuple[Lease, ...]], None],
    ) -> None:
        self._loop = loop
        self._jobs = jobs
        self._worker = worker
        self._holdings = holdings
        self._register = register
        self._count_wanted = count_wanted
        self._on_leases = on_leases
        self._changed = Bell(loop)

    def look(self) -> None:
        """Say that more may be wanted than before."""
        self._changed.ring()

    def run(self) -> Answer[None]:
        """Ask for work until called off. Raises HeadraceError where there is no use in going on."""
        number = 0
        try:
            while True:
                while not (wanted := self._count_wanted()):
                    yield self._changed.wait()
                number += 1
                try:
                    yield from self._ask(number, wanted)
                except Exception as error:
                    if is_final(error):
                        raise
                    log.warning("no work for now: %s", error)
                    # Whatever it was granted, nothing of it is held here.
                    self._holdings.take((), number)
                    yield Pause(self._loop, ERROR_PAUSE_SECONDS)
        finally:
            # The next heartbeat says that what it may be granted is not held.
            self._holdings.take((), number)

    def _ask(self, number: int, wanted: int) -> Answer[None]:
        request = LeaseRequest(
            worker=self._worker,
            number=number,
            free_slots=wanted,
            wait_seconds=LEASE_WAIT_SECONDS,
            known_jobs=self._holdings.known_jobs(),
        )
        try:
            grant = yield from self._jobs.call(JobQueueApi.lease, request)
        except UnknownWorkerError:  # the coordinator was restarted
            yield from self._register(self._jobs)
        else:
            self._holdings.take(grant.leases, number)
            if grant.leases:
                self._on_leases(grant.leases)
