"""The keys that the server accepts: those of people and machines, and the tokens of jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.serving.callers import name_key
from headrace_wire.errors import StoreError
from headrace_wire.job_tokens import hold_token, make_token, split_hint
from headrace_wire.keyring import Keys
from headrace_wire.live_keys import LiveKeys
from headrace_wire.roles import TASK, Holder, caller


class _Ended(NamedTuple):
    """When the token of a job expires (monotonic), and the key that submitted the job."""

    moment: float
    submitted_by: str


class TaskKeys:
    """Finds keys by the hint of a handshake, in the event loop's thread.

    A token is valid until its job has ended, and for ``grace_seconds`` more, so that its tasks can
    release what they hold of shared state. It becomes invalid at once together with the key that
    leased the tasks. Tokens are derived from ``secret``. ``note`` is a listener of the ledger.
    """

    def __init__(self, keys: LiveKeys, secret: bytes, ledger: Ledger, grace_seconds: float) -> None:
        self._keys = keys
        self._secret = secret
        self._ledger = ledger
        self._grace_seconds = grace_seconds
        #: Jobs that have ended, the oldest first.
        self._ended: dict[str, _Ended] = {}

    def find(self, hint: bytes) -> Keys:
        """Return the keys that a client with this hint may hold."""
        if not hint:
            return self._keys.find()
        job, mark = split_hint(hint)
        if mark not in self._list_marks() or not self._is_live(job):
            return {}
        return hold_token(self._secret, job, mark)

    def make_token(self, job: str) -> str:
        """Return the token of a job, for its tasks on the worker that calls."""
        worker = caller()
        return make_token(self._secret, job, worker.key_mark or worker.mark).decode()

    def make_check(self) -> Callable[[Holder], bool]:
        """Return a function that returns whether the key that a peer has proven is valid now."""
        named, marks = frozenset(self.find(b"").values()), self._list_marks()

        def is_taken(one: Holder) -> bool:
            if one.role != TASK:
                return one in named
            return one.key_mark in marks and self._is_live(one.name)

        return is_taken

    def find_payer(self) -> str:
        """Return the name of the key to which the caller's bytes are charged, "" for an
        administrator's; for a task, it is the key that submitted its job. Raises StoreError.
        """
        if caller().role != TASK:
            return name_key()
        job = caller().name
        found = self._ledger.observe(lambda queue, _: queue.state.jobs.get(job))
        if found is not None:
            return found.submitted_by
        ended = self._ended.get(job)
        return ended.submitted_by if ended else TASK  # its token has expired during the call

    def note(self, happened: Sequence[Event]) -> None:
        """Record which jobs have ended or were deleted."""
        now = time.monotonic()
        for event in happened:
            match event:
                case events.JobEnded(status=status):
                    self._ended[status.id] = _Ended(now + self._grace_seconds, status.submitted_by)
                case events.JobDeleted(job=job, submitted_by=key):
                    self._ended.setdefault(job, _Ended(now + self._grace_seconds, key))
                case _:
                    pass
        while self._ended and self._ended[oldest := next(iter(self._ended))].moment < now:
            del self._ended[oldest]

    def _list_marks(self) -> frozenset[str]:
        return frozenset(holder.mark for holder in self._keys.find().values())

    def _is_live(self, job: str) -> bool:
        if (ended := self._ended.get(job)) and ended.moment > time.monotonic():
            return True

        def look(queue: Queue, _: Now) -> bool:
            found = queue.state.jobs.get(job)
            return found is not None and not found.is_final

        try:
            return self._ledger.observe(look)
        except StoreError:
            return False
