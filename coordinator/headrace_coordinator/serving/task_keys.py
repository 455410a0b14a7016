"""The keys that the server takes: those of people and machines, and the tokens of jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_coordinator.queue.queue import Queue
from headrace_wire.errors import StoreError
from headrace_wire.job_tokens import list_tokens, make_token
from headrace_wire.keyring import Keys
from headrace_wire.live_keys import LiveKeys
from headrace_wire.roles import TASK, Holder


class TaskKeys:
    """Finds keys by the hint of a handshake, in the event loop's thread.

    A token is taken until its job has ended, and for ``grace_seconds`` more: so what its tasks held
    of shared state comes free in good order. ``note`` is a listener of the ledger's.
    """

    def __init__(self, keys: LiveKeys, ledger: Ledger, grace_seconds: float) -> None:
        self._keys = keys
        self._ledger = ledger
        self._grace_seconds = grace_seconds
        #: Jobs that have ended, the oldest first, with the monotonic moment of their tokens' end.
        self._ended: dict[str, float] = {}

    def find(self, hint: bytes) -> Keys:
        """The keys that a client may hold that says this of its own."""
        if not hint:
            return self._keys.find()
        job = hint.decode(errors="replace")
        return list_tokens(self._keys.own, job) if self._is_live(job) else {}

    def make_token(self, job: str) -> str:
        """The token of a job, for its tasks."""
        return make_token(self._keys.own[0], job).decode()

    def make_check(self) -> Callable[[Holder], bool]:
        """Return what tells whether the key that somebody has shown is taken just now."""
        named = frozenset(self.find(b"").values())

        @cache
        def list_of_job(job: str) -> frozenset[Holder]:
            return frozenset(self.find(job.encode()).values())

        return lambda one: one in (list_of_job(one.name) if one.role == TASK else named)

    def note(self, happened: Sequence[Event]) -> None:
        """Note which jobs have ended or were deleted."""
        now = time.monotonic()
        for event in happened:
            match event:
                case events.JobEnded(status=status):
                    self._ended[status.id] = now + self._grace_seconds
                case events.JobDeleted(job=job):
                    self._ended.setdefault(job, now + self._grace_seconds)
                case _:
                    pass
        while self._ended and self._ended[oldest := next(iter(self._ended))] < now:
            del self._ended[oldest]

    def _is_live(self, job: str) -> bool:
        if self._ended.get(job, 0.0) > time.monotonic():
            return True

        def look(queue: Queue, _: Now) -> bool:
            found = queue.state.jobs.get(job)
            return found is not None and not found.is_final

        try:
            return self._ledger.observe(look)
        except StoreError:
            return False
