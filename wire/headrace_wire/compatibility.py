"""Which versions of headrace work together: those of one protocol, at most one minor version apart.

So the parts of a cluster can be upgraded one by one while it works. Both sides follow these rules:

- The protocol's number does not change from one minor version to the next, and neither does
  anything that could be sent. A minor version may add fields at the end of a message, if they have
  defaults and can be ignored; methods; error codes; and values of fields that name one of several.
- A field that an older side does not send has its default. Additional fields of a newer side are
  ignored: see ``headrace_wire.newer``.
- A method that the coordinator does not know is answered with UnknownMethodError.
- What is removed is removed two minor versions after it was last used.

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
    which says what to upgrade, if they do not work together.
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
    """Return the message of a coordinator of version 0.1 about this side, with advice."""
    return f"{line}: upgrade {ORDER}" if line.endswith(ONE_VERSION) else line


def explain_first_handshake(address: object) -> str:
    """Return the message about a peer whose handshake is that of a coordinator of version 0.1 on
    Python 3.11.
    """
    return (
        f"what answers at {address} shakes hands as headrace 0.1 does, and this side is headrace "
        f"{VERSION}: if it is a coordinator, upgrade {ORDER}"
    )


def _advise(order: int, peer: str) -> str:
    """Return what to do if the peer is newer (1), older (-1), or if this is not known (0)."""
    if order > 0:
        return f"{ONE_VERSION}: upgrade {ORDER}"
    if order < 0:
        return f"{ONE_VERSION}: upgrade {peer}, which is too old for this coordinator"
    return ONE_VERSION


def _order(protocol: object) -> int:
    """Return 1 for a later protocol, -1 for an earlier one, 0 for the same and for an invalid
    one.
    """
    if not isinstance(protocol, int) or isinstance(protocol, bool):
        return 0
    return (protocol > PROTOCOL) - (protocol < PROTOCOL)


def _measure(own: str, other: object) -> int:
    """Return by how many minor versions another one is newer; 0 if not known."""
    ours, theirs = _read(own), _read(other)
    if ours is None or theirs is None:
        return 0
    if ours[0] != theirs[0]:  # this counts as very far apart
        return 1000 if theirs[0] > ours[0] else -1000
    return theirs[1] - ours[1]


def _read(version: object) -> tuple[int, int] | None:
    """Return the major and the minor number of a version."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?!\d)", version) if isinstance(version, str) else None
    return (int(found[1]), int(found[2])) if found else None


def _quote(value: object) -> str:
    """Return what a peer says about itself in a form that fits in one line."""
    text = str(value)[:40]
    return text if text.isprintable() else repr(text)
