"""How much of what the coordinator keeps one key may have: never all, so that others have room."""

from __future__ import annotations

from headrace_wire.roles import ADMIN

#: The part of a limit that one key may have.
SHARE = 0.75


def share_of(limit: int, key: str) -> int:
    """What a key of this name may have of a limit; an administrator's, or "", all of it."""
    return limit if key in ("", ADMIN) else int(limit * SHARE)
