"""Tokens: what a task shows in place of a key.

Each is of one job, for as long as that is there, and of the key by which a worker leased the job's
tasks, for as long as that is taken.

    job:<id>:<mark of the worker's key>:<HMAC-SHA256(secret, "headrace job <id> <mark>")>

The secret is for tokens alone: they outlive a rotation of the coordinator's own key. In the
handshake a token is a key like others. As there may be many, the client says behind its answer of
which job and key it is, so that the coordinator need not try them all.
"""

from __future__ import annotations

import hmac

from headrace_wire.keyring import Keys, mark_key
from headrace_wire.roles import TASK, Holder

_PREFIX = b"job:"


def make_token(secret: bytes, job: str, mark: str) -> bytes:
    """The token of a job, for a worker whose key has this mark."""
    digest = hmac.digest(secret, f"headrace job {job} {mark}".encode(), "sha256").hex()
    return b"%s%s:%s" % (_PREFIX, f"{job}:{mark}".encode(), digest.encode())


def find_hint(key: bytes) -> bytes:
    """What a client says of its key in a handshake: of a token the job and the mark of the worker's
    key, of others nothing.
    """
    return key.removeprefix(_PREFIX).rpartition(b":")[0] if key.startswith(_PREFIX) else b""


def split_hint(hint: bytes) -> tuple[str, str]:
    """The job, and the mark of the worker's key, that a client says its token is of."""
    job, _, mark = hint.decode(errors="replace").rpartition(":")
    return job, mark


def hold_token(secret: bytes, job: str, mark: str) -> Keys:
    """A token and its holder."""
    token = make_token(secret, job, mark)
    return {token: Holder(job, TASK, mark_key(token), mark)}
