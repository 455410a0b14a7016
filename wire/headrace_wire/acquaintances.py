"""Coordinators that have accepted this process's key, and what it means if they refuse it later.

The program that answers at an address need not be the one that answered there before: another
coordinator may have been started in its place, or an attacker may relay connections. Neither can
accept the key, nor send anything in the coordinator's name. So a refusal by a peer that has not
proven itself is handled like a lost connection, and the call is repeated. A coordinator that has
revoked a key says so on open connections; that is final.
"""

from __future__ import annotations

import contextlib
import time

from headrace_wire.errors import HeadraceError, KeyRefusedError, ProtocolError, UnreachableError
from headrace_wire.job_tokens import find_hint

#: For how many seconds a task's key may be refused: it becomes invalid with its job, and nobody is
#: told about that.
TASK_SECONDS = 10.0

#: How many keys are remembered: the tasks of each job have their own.
MOST_KNOWN = 1000

#: Since when a key is refused at an address where it was accepted before, on the monotonic clock; 0
#: while it is accepted. The key that was accepted last is the last entry.
_known: dict[tuple[tuple[str, int], bytes], float] = {}


def note_taken(address: tuple[str, int], key: bytes) -> None:
    """Remember that the coordinator at this address has proven itself, and has accepted the key."""
    _known.pop((address, key), None)
    _known[address, key] = 0.0
    if len(_known) > MOST_KNOWN:
        with contextlib.suppress(RuntimeError):  # another thread removes it, too
            _known.pop(next(iter(_known)), None)


def note_revoked(address: tuple[str, int], key: bytes) -> None:
    """Remember that the coordinator itself has said that the key is no longer valid."""
    _known.pop((address, key), None)


def explain_stranger(
    address: tuple[str, int], key: bytes, error: KeyRefusedError | ProtocolError
) -> HeadraceError:
    """Return the error for a peer at this address that did not prove to be the coordinator: a lost
    connection if the coordinator has been there before, otherwise the given error.
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
