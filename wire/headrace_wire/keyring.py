"""The keys that a coordinator accepts, and the names of their files.

    key ─┬───────────────────────────────────────► admin
         └ HMAC-SHA256(key, "headrace role …") ──► worker.key, client.key, observer.key

The holder of a role's key can derive neither the coordinator's own nor another role's from it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headrace_wire.roles import ADMIN, DERIVED_ROLES, Holder, Role

if TYPE_CHECKING:
    from pathlib import Path

#: The keys that a server accepts, with the holder of each.
Keys = Mapping[bytes, Holder]


def derive_key(key: bytes, role: Role) -> bytes:
    """Return the key of a role, derived from the coordinator's own."""
    return hmac.digest(key, f"headrace role {role}".encode(), "sha256").hex().encode()


def derive_keys(key: bytes) -> dict[bytes, Holder]:
    """Return the coordinator's own key and those of all roles, with their holders."""
    keys: dict[bytes, Role] = {
        key: ADMIN,
        **{derive_key(key, role): role for role in DERIVED_ROLES},
    }
    return {one: Holder(role, role, mark_key(one)) for one, role in keys.items()}


def mark_key(key: bytes) -> str:
    """Return a mark that identifies a key, and reveals nothing else about it."""
    return hashlib.sha256(b"headrace mark " + key).hexdigest()[:16]


def name_role_file(path: Path, role: Role) -> Path:
    """Return the file of a role's key, beside the coordinator's own at ``path``."""
    return path.with_name(f"{role}.key")
