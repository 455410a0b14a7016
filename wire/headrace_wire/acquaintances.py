"""Coordinators that have taken this process's key, and what it means when the key is refused there.

Whoever answers at an address need not be who answered there before: another coordinator may have
been started in its place, or somebody who relays connections stands in between. Neither can take
the key, nor say anything in the coordinator's name. So a refusal by one who has not proven itself
is a loss like any other, and is tried again. A coordinator that has revoked a key says so to
whoever is connected: that is final.
"""

from __future__ import annotations

import contextlib
import time

from headrace_wire.errors import HeadraceError, KeyRefusedError, ProtocolError, UnreachableError
from headrace_wire.job_tokens import find_hint

#: Seconds for which a task's key may be refused: it ends with its job, of which nobody is told.
TASK_SECONDS = 10.0

#: Keys that are remembered: each job's tasks have one of their own.
MOST_KNOWN = 1000

#: Since when a key is refused at an address where it was taken before, on the monotonic clock;
#: 0 while it is taken. The one that was taken last is the last.
_known: dict[tuple[tuple[str, int], bytes], float] = {}


def note_taken(address: tuple[str, int], key: bytes) -> None:
    """Remember that the coordinator at this address has proven itself, and has taken the key."""
    _known.pop((address, key), None)
    _known[address, key] = 0.0
    if len(_known) > MOST_KNOWN:
        with contextlib.suppress(RuntimeError):  # another thread does it, too
            _known.pop(next(iter(_known)), None)


def note_revoked(address: tuple[str, int], key: bytes) -> None:
    """Remember that the coordinator itself has said that it takes the key no more."""
    _known.pop((address, key), None)


def explain_stranger(
    address: tuple[str, int], key: bytes, error: KeyRefusedError | ProtocolError
) -> HeadraceError:
    """What it means that somebody at this address did not prove to be the coordinator: a loss,
    where the coordinator has been there before; otherwise the error itself.
    """
    place = (address, key)
    since = _known.get(place)
    if since is None:
        return error
    now = time.monotonic()
    if not since:
        since = _known[place] = now
    if find_hint(key) and now - since > TASK_SECONDS:
        return error
    error.may_pass = True
    loss = UnreachableError(error.message)
    loss.refusal = error
    return loss
