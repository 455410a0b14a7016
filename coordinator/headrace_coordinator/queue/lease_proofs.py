"""What makes a queue know leases again that an earlier one over the same store has granted.

    _grant ─ sign ─► Lease.proof ─► worker ─► HeldSpan.proof ─ open ─► PastLease

Leases are not stored, as that would take a commit for each. Instead a worker is given a proof with
each, and shows it when it registers and reports: a digest, keyed with a secret that outlives the
coordinator, over all that the lease is. So it holds for that lease alone, shown by that worker.
"""

from __future__ import annotations

import hashlib
import hmac

from msgspec.msgpack import encode

from headrace_coordinator.queue.past_leases import PastLease
from headrace_wire.messages.spans import HeldSpan

#: Bytes of a digest: guessing at it is hopeless, as each guess takes a call.
DIGEST_BYTES = 16

#: What stands between the parts of a proof. The last of them, the name of a key, may contain it.
SEPARATOR = ":"


class LeaseProofs:
    """Signs leases, and opens what it has signed. ``secret`` may serve other purposes as well."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"headrace leases", "sha256")

    def sign(self, number: int, attempt: int, lease: PastLease) -> str:
        """The proof of a lease with this number: its digest, and what the worker does not know."""
        return SEPARATOR.join((self._digest(number, attempt, lease), str(+lease.able), lease.key))

    def open(self, run: HeldSpan, worker: str, submitted_at: float) -> PastLease | None:
        """The lease that a worker shows the proof of, if its job was submitted at that moment; None
        if it is no proof of that.
        """
        digest, _, rest = run.proof.partition(SEPARATOR)
        able, _, key = rest.partition(SEPARATOR)
        lease = PastLease(run.job, worker, key, run.start, run.stop, submitted_at, able == "1")
        right = self._digest(run.lease, run.attempt, lease)
        return lease if hmac.compare_digest(digest.encode(), right.encode()) else None

    def _digest(self, number: int, attempt: int, lease: PastLease) -> str:
        said = encode((number, attempt, lease))
        return hashlib.blake2b(said, key=self._key, digest_size=DIGEST_BYTES).hexdigest()
