"""How much of what the coordinator keeps may belong to one key: never all, so that others have
room.
"""

from __future__ import annotations

from headrace_wire.roles import ADMIN

#: The fraction of a limit that one key may use.
SHARE = 0.75


def share_of(limit: int, key: str) -> int:
    """Return the part of a limit that a key of this name may use; all of it for an
    administrator.
    """
    return limit if key in ("", ADMIN) else int(limit * SHARE)
