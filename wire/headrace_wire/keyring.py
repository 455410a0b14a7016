"""The keys that a coordinator takes, and the files in which those of each role lie.

    key ─┬───────────────────────────────────────► admin
         └ HMAC-SHA256(key, "headrace role …") ──► worker.key, client.key, observer.key

Whoever has a role's key learns neither the coordinator's own nor another role's from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headrace_wire.roles import ADMIN, DERIVED_ROLES, Holder, Role

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

#: The keys that a server takes, with who holds each.
Keys = Mapping[bytes, Holder]

#: A role's key file as it is written here: another file of that name is left alone.
_WRITTEN_HERE = re.compile(rb"[0-9a-f]{64}\n?")


def derive_key(key: bytes, role: Role) -> bytes:
    """The key of a role, from the coordinator's own."""
    return hmac.digest(key, f"headrace role {role}".encode(), "sha256").hex().encode()


def derive_keys(key: bytes) -> dict[bytes, Holder]:
    """The coordinator's own key and those of all roles, with their holders."""
    keys: dict[bytes, Role] = {
        key: ADMIN,
        **{derive_key(key, role): role for role in DERIVED_ROLES},
    }
    return {one: Holder(role, role, mark_key(one)) for one, role in keys.items()}


def mark_key(key: bytes) -> str:
    """What tells a key from others, and nothing else of it."""
    return hashlib.sha256(b"headrace mark " + key).hexdigest()[:16]


def name_role_file(path: Path, role: Role) -> Path:
    """The file of a role's key, beside the coordinator's own at ``path``."""
    return path.with_name(f"{role}.key")


def write_role_files(path: Path, key: bytes, folder: Path | None = None) -> None:
    """Write the keys of all roles beside the coordinator's own, anew where that has changed.

    And each into a folder of the role's name in ``folder``, if there is one: it may be mounted
    elsewhere. What cannot be written is told in one line: the coordinator does not need them.
    """
    for role in DERIVED_ROLES:
        beside = name_role_file(path, role)
        mounted = [folder / role / beside.name] if folder and (folder / role).is_dir() else []
        for file in [beside, *mounted]:
            try:
                _write_role_file(file, derive_key(key, role))
            except OSError as error:
                why = error.strerror or error
                log.warning("the key of role %s cannot be written to %s: %s", role, file, why)


def _write_role_file(path: Path, key: bytes) -> None:
    line = key + b"\n"
    with contextlib.suppress(FileNotFoundError):
        known = path.read_bytes()
        if known == line:
            return
        if not _WRITTEN_HERE.fullmatch(known):
            raise FileExistsError("there is something else")
    replace_secret_file(path, line)


def replace_secret_file(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, whatever the umask: whole, or not at all.

    What root writes belongs to the owner of the file before, or else of the folder.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            give_away(descriptor, path)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def give_away(descriptor: int, path: Path) -> None:
    """Let a file that root writes belong to the owner of what is at ``path``, or its folder."""
    if os.geteuid() == 0:
        like = (path if path.exists() else path.parent).stat()
        os.fchown(descriptor, like.st_uid, like.st_gid)
