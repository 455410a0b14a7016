"""The leaser: one thread that asks the coordinator for work whenever the pool wants some.

    agent ─ want(slots) ─► leaser ─ lease (long-poll) ─► coordinator
    agent ◄─ on_leases ────┘

Started by the agent, stopped by ``stop``; a long-poll under way is left to end by itself, and what
it may still be granted the coordinator takes back when the worker leaves.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from headrace_wire.api import JobQueueApi
from headrace_wire.errors import HeadraceError, StoreError, UnknownWorkerError
from headrace_wire.messages import Lease, LeaseRequest
from headrace_worker.holdings import Holdings

log = logging.getLogger(__name__)

#: Seconds that a request for work waits for some. A request on a link that was cut is repeated only
#: after that.
LEASE_WAIT_SECONDS = 5.0

#: Seconds between attempts when the coordinator's store cannot be read.
STORE_PAUSE_SECONDS = 1.0


class Leaser:
    """``on_leases`` and ``on_failure`` are called in the leaser's thread."""

    def __init__(
        self,
        jobs: JobQueueApi,
        worker: str,
        *,
        holdings: Holdings,
        register: Callable[[], object],
        on_leases: Callable[[tuple[Lease, ...]], None],
        on_failure: Callable[[HeadraceError], None],
    ) -> None:
        self._jobs = jobs
        self._worker = worker
        self._holdings = holdings
        self._register = register
        self._on_leases = on_leases
        self._on_failure = on_failure
        self._changed = threading.Condition()
        self._wanted = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="leaser", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def want(self, slots: int) -> None:
        """Say for how many slots work is wanted now; 0 for none."""
        with self._changed:
            if slots != self._wanted:
                self._wanted = slots
                self._changed.notify()

    def stop(self) -> None:
        """Ask for nothing more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        number = 0
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._wanted or self._stopped)
                    if self._stopped:
                        return
                    wanted = self._wanted
                number += 1
                self._ask(number, wanted)
        except HeadraceError as error:
            self._on_failure(error)
        except Exception as error:
            log.exception("the leaser failed")
            self._on_failure(HeadraceError(f"the worker's leaser failed: {error!r}"))

    def _ask(self, number: int, wanted: int) -> None:
        request = LeaseRequest(
            worker=self._worker,
            number=number,
            free_slots=wanted,
            wait_seconds=LEASE_WAIT_SECONDS,
            known_jobs=self._holdings.known_jobs(),
        )
        try:
            grant = self._jobs.lease(request)
        except UnknownWorkerError:  # the coordinator was restarted
            self._register()
            return
        except StoreError as error:
            log.warning("no work for now: %s", error)
            with self._changed:
                self._changed.wait_for(lambda: self._stopped, STORE_PAUSE_SECONDS)
            return
        self._holdings.take(grant.leases, number)
        if grant.leases:
            with self._changed:
                self._wanted = 0  # until the agent has seen what came
            self._on_leases(grant.leases)
