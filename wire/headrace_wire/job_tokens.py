"""Tokens: what a task shows in place of a key. Each is of one job, for as long as that is there.

    job:<id>:<HMAC-SHA256(the coordinator's own key, "headrace job <id>")>

In the handshake it is a key like others. As there may be many jobs, the client says behind its
answer which one it is of, so that the coordinator need not try them all.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from headrace_wire.keyring import Keys, mark_key
from headrace_wire.roles import TASK, Holder

_PREFIX = b"job:"


def make_token(key: bytes, job: str) -> bytes:
    """The token of a job, from the coordinator's own key."""
    digest = hmac.digest(key, f"headrace job {job}".encode(), "sha256").hex()
    return b"%s%s:%s" % (_PREFIX, job.encode(), digest.encode())


def find_hint(key: bytes) -> bytes:
    """What a client says of its key in a handshake: of a token the job, of others nothing."""
    return key.removeprefix(_PREFIX).rpartition(b":")[0] if key.startswith(_PREFIX) else b""


def list_tokens(keys: Iterable[bytes], job: str) -> Keys:
    """The tokens of a job, one for each of the coordinator's own keys."""
    tokens = [make_token(key, job) for key in keys]
    return {token: Holder(job, TASK, mark_key(token)) for token in tokens}
