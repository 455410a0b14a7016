"""Which versions of headrace work together: those of one protocol, at most one minor version apart.

So a cluster can be upgraded while it works, each part on its own. What both sides keep to:

- The protocol's number stays the same from one minor version to the next, and what could be sent
  stays what it was. A minor version may add fields at the end of a message, if they have defaults
  and can be ignored; methods; error codes; and words where a field names one of several.
- A field that an older side does not send has its default. What a newer side sends beyond the
  fields that are known here is ignored: see ``headrace_wire.newer``.
- A method that the coordinator does not know is answered with UnknownMethodError.
- What goes away does so two minor versions after it was last used.

With any other version no connection is made, and both sides say which part is to be upgraded.
"""

from __future__ import annotations

import re

from headrace_wire.errors import ProtocolError
from headrace_wire.version import PROTOCOL, VERSION

#: What to do about versions that do not work together, and in which order to upgrade.
ONE_VERSION = "install one version on both"
ORDER = "the coordinator first, then workers, then clients"


def check_peer(protocol: object, version: object, *, own: str = VERSION) -> int:
    """Compare a client's or worker's version with that of the coordinator, which is ``own``.

    Returns 1 for a newer minor version, -1 for an older one, 0 for the same. Raises ProtocolError,
    which says what to upgrade, where the two do not work together.
    """
    distance = _measure(own, version)
    if protocol == PROTOCOL and abs(distance) <= 1:
        return distance
    raise ProtocolError(
        f"a client or worker speaks protocol {_quote(protocol)} (headrace {_quote(version)}), "
        f"the coordinator {PROTOCOL} (headrace {own}): "
        + _advise(_order(protocol) or distance, "that client or worker")
    )


def check_coordinator(protocol: object, version: object, *, own: str = VERSION) -> int:
    """Compare the coordinator's version with that of this side, as ``check_peer`` does."""
    distance = _measure(own, version)
    if protocol == PROTOCOL and abs(distance) <= 1:
        return distance
    raise ProtocolError(
        f"this side speaks protocol {PROTOCOL} (headrace {own}), the coordinator "
        f"{_quote(protocol)} (headrace {_quote(version)}): "
        + _advise(-(_order(protocol) or distance), "this side")
    )


def explain_first_version(line: str) -> str:
    """What a coordinator of version 0.1 says of this side, with what to do about it."""
    return f"{line}: upgrade {ORDER}" if line.endswith(ONE_VERSION) else line


def explain_first_handshake(address: object) -> str:
    """What to say of somebody who shakes hands as a coordinator of version 0.1 on Python 3.11."""
    return (
        f"what answers at {address} shakes hands as headrace 0.1 does, and this side is headrace "
        f"{VERSION}: if it is a coordinator, upgrade {ORDER}"
    )


def _advise(order: int, peer: str) -> str:
    """What to do where the peer is newer (1), older (-1), or one cannot tell (0)."""
    if order > 0:
        return f"{ONE_VERSION}: upgrade {ORDER}"
    if order < 0:
        return f"{ONE_VERSION}: upgrade {peer}, which is too old for this coordinator"
    return ONE_VERSION


def _order(protocol: object) -> int:
    """Return 1 for a later protocol, -1 for an earlier one, 0 for the same and for none."""
    if not isinstance(protocol, int) or isinstance(protocol, bool):
        return 0
    return (protocol > PROTOCOL) - (protocol < PROTOCOL)


def _measure(own: str, other: object) -> int:
    """By how many minor versions another one is newer; 0 where that is not known."""
    ours, theirs = _read(own), _read(other)
    if ours is None or theirs is None:
        return 0
    if ours[0] != theirs[0]:  # as far apart as can be
        return 1000 if theirs[0] > ours[0] else -1000
    return theirs[1] - ours[1]


def _read(version: object) -> tuple[int, int] | None:
    """The major and the minor number of a version."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?!\d)", version) if isinstance(version, str) else None
    return (int(found[1]), int(found[2])) if found else None


def _quote(value: object) -> str:
    """What a peer says of itself, fit for one line."""
    text = str(value)[:40]
    return text if text.isprintable() else repr(text)
