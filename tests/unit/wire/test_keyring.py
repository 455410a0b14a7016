"""Keys of roles are derived from the coordinator's own, and lie beside it."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from headrace_wire.key import load_key
from headrace_wire.keyring import derive_key, derive_keys, name_role_file
from headrace_wire.roles import DERIVED_ROLES, ROLES

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32)).hex().encode()
ANOTHER_KEY = bytes(range(1, 33)).hex().encode()


def read_files(path: Path) -> dict[str, bytes]:
    return {role: load_key(name_role_file(path, role)) for role in DERIVED_ROLES}


def test_each_role_has_a_key_and_no_two_are_alike() -> None:
    assert sorted(holder.role for holder in derive_keys(KEY).values()) == sorted(ROLES)
    assert len({*derive_keys(KEY), *derive_keys(ANOTHER_KEY)}) == 2 * len(ROLES)


def test_a_role_s_key_is_a_keyed_digest_of_its_name() -> None:
    digest = hmac.new(KEY, b"headrace role worker", hashlib.sha256).hexdigest()
    assert derive_key(KEY, "worker") == digest.encode()
