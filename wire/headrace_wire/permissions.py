"""Why a file or folder may not be used, and what to do about it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from headrace_wire.errors import StoreError
from headrace_wire.open_files import explain_system_error
from headrace_wire.system.folders import is_read_only
from headrace_wire.system.users import find_user, name_user

#: Uses of a file, for messages.
READ, WRITE, ENTER = "read", "write", "enter"

#: The system's errors for a full disk: no space, more than the user's quota, a file that is larger
#: than allowed.
FULL_NUMBERS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def refuse_full_disk(error: OSError, what: str, folder: Path) -> None:
    """Raise StoreError if the disk of a folder is full; ``what`` was to be written there."""
    if error.errno in FULL_NUMBERS:
        raise StoreError(
            f"{what}, as its disk is full ({error.strerror}): make room on the disk of {folder}"
        ) from None


def explain_error(error: OSError, path: str | os.PathLike[str], use: str = READ) -> str:
    """Return why a path could not be used: the system's message, or a longer one if permission is
    missing.

    ``use`` is what was to be done: to read it, or to write it.
    """
    if isinstance(error, PermissionError) and (denied := explain_denied(path, use)):
        return denied
    return explain_system_error(error)


def explain_denied(path: str | os.PathLike[str], use: str = READ) -> str:
    """Return why this process may not read or write a path, "" if it may or if this is not known.

    Writing a file that does not exist depends on its folder.
    """
    place = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as they are
    for folder in reversed(place.parents):
        if not may_use(folder, os.X_OK):
            return _describe(folder, ENTER) if os.path.lexists(folder) else ""
    if use == WRITE and not place.exists():
        place = place.parent
    wanted = {READ: os.R_OK, WRITE: os.W_OK}[use]
    if not os.path.lexists(place) or may_use(place, wanted):
        if not (place.is_dir() and not may_use(place, os.X_OK)):
            return ""
        use = ENTER
    if use == WRITE and is_read_only(place):
        return f"{place} is on a file system that is mounted read-only: name a place on another"
    return _describe(place, use)


def may_use(place: str | os.PathLike[str], how: int) -> bool:
    """Return whether this process may use a path; ``how`` is as for ``os.access``."""
    return os.access(place, how, effective_ids=os.access in os.supports_effective_ids)


def _describe(place: Path, use: str) -> str:
    number = find_user()
    if number is None:
        return f"this user may not {use} {place}: change that in its properties"
    found = place.stat()
    user, owner = name_user(number), name_user(found.st_uid)
    mode = stat.S_IMODE(found.st_mode)
    return (
        f"user {user} may not {use} {place}, which belongs to {owner} "
        f"(mode {mode:04o}): change that with chmod or chown, or do this as another user"
        # The users of our containers have no names there.
        + (" (HEADRACE_USER in compose.yaml, before its first start)" if user.isdigit() else "")
    )
