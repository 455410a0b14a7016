"""Tokens, which a task sends instead of a key.

Each belongs to one job and is valid as long as that exists, and to the key with which a worker
leased the job's tasks, and only as long as that key is valid.

    job:<id>:<mark of the worker's key>:<HMAC-SHA256(secret, "headrace job <id> <mark>")>

The secret is only used for tokens, which survive a rotation of the coordinator's own key. In the
handshake, a token is a key like others. Because there may be many, the client sends a hint after
its answer that names job and key, so that the coordinator need not try all of them.
"""

from __future__ import annotations

import hmac

from headrace_wire.keyring import Keys, mark_key
from headrace_wire.roles import TASK, Holder

_PREFIX = b"job:"


def make_token(secret: bytes, job: str, mark: str) -> bytes:
    """Return the token of a job, for a worker whose key has this mark."""
    digest = hmac.digest(secret, f"headrace job {job} {mark}".encode(), "sha256").hex()
    return b"%s%s:%s" % (_PREFIX, f"{job}:{mark}".encode(), digest.encode())


def find_hint(key: bytes) -> bytes:
    """Return the hint that a client sends in a handshake: for a token, the job and the mark of the
    worker's key; for other keys, nothing.
    """
    return key.removeprefix(_PREFIX).rpartition(b":")[0] if key.startswith(_PREFIX) else b""


def split_hint(hint: bytes) -> tuple[str, str]:
    """Return the job and the mark of the worker's key in the hint for a token."""
    job, _, mark = hint.decode(errors="replace").rpartition(":")
    return job, mark


def hold_token(secret: bytes, job: str, mark: str) -> Keys:
    """Return a token with its holder."""
    token = make_token(secret, job, mark)
    return {token: Holder(job, TASK, mark_key(token), mark)}
