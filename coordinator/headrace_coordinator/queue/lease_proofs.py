"""Proofs by which a queue recognizes leases that an earlier queue over the same store has granted.

    _grant ─ sign ─► Lease.proof ─► worker ─► HeldSpan.proof ─ open ─► PastLease

Leases are not stored, because that would require a commit for each. Instead a worker receives a
proof with each lease, and sends it when it registers and reports: a digest of the whole lease,
keyed with a secret that outlives the coordinator. So a proof is only valid for that lease and that
worker.
"""

from __future__ import annotations

import hashlib
import hmac

from msgspec.msgpack import encode

from headrace_coordinator.queue.past_leases import PastLease
from headrace_wire.messages.spans import HeldSpan

#: The size of a digest in bytes. It cannot be guessed, because each attempt takes a call.
DIGEST_BYTES = 16

#: The separator between the parts of a proof. The last part, the name of a key, may contain it.
SEPARATOR = ":"


class LeaseProofs:
    """Signs leases, and opens what it has signed. ``secret`` may have other uses as well."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"headrace leases", "sha256")

    def sign(self, number: int, attempt: int, lease: PastLease) -> str:
        """Return the proof of a lease with this number: its digest, and what the worker does not
        know.
        """
        return SEPARATOR.join(
            (self._digest(number, attempt, lease), str(+lease.met_needs), lease.key)
        )

    def open(self, run: HeldSpan, worker: str, submitted_at: float) -> PastLease | None:
        """Return the lease whose proof a worker sent, if its job was submitted at that time; None
        if the proof is not valid.
        """
        digest, _, rest = run.proof.partition(SEPARATOR)
        met_needs, _, key = rest.partition(SEPARATOR)
        lease = PastLease(run.job, worker, key, run.start, run.stop, submitted_at, met_needs == "1")
        right = self._digest(run.lease, run.attempt, lease)
        return lease if hmac.compare_digest(digest.encode(), right.encode()) else None

    def _digest(self, number: int, attempt: int, lease: PastLease) -> str:
        said = encode((number, attempt, lease))
        return hashlib.blake2b(said, key=self._key, digest_size=DIGEST_BYTES).hexdigest()
