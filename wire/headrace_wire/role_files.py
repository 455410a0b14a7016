"""The files in which a coordinator publishes the keys of the roles.

DIR/key ─► DIR/worker.key, DIR/client.key, DIR/observer.key
       └► FOLDER/worker/worker.key, … where each may be mounted elsewhere
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Collection, Generator, Iterator
from typing import TYPE_CHECKING

from headrace_wire.errors import UsageError
from headrace_wire.keyring import derive_key, name_role_file
from headrace_wire.open_files import explain_system_error
from headrace_wire.permissions import WRITE, explain_error
from headrace_wire.roles import DERIVED_ROLES, Role
from headrace_wire.system.file_lock import open_lock
from headrace_wire.system.secret_files import replace_secret_file

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

#: The contents of a role's key file as it is written here; other files of that name are not
#: changed.
_WRITTEN_HERE = re.compile(rb"[0-9a-f]{64}\n?")

#: A longer file is not a key.
_MOST_BYTES_OF_A_KEY = 4098


def write_role_files(
    path: Path, key: bytes, folder: Path | None = None, before: Collection[bytes] = ()
) -> None:
    """Write the keys of all roles beside the coordinator's own, again if that has changed.

    Each is also written into a folder of the role's name in ``folder``, which is made if necessary.
    ``before`` has earlier keys of this coordinator. If the key of another coordinator is in the
    same folder, its files are not changed. Errors are logged in one line, because the coordinator
    does not need the files.
    """
    if folder:
        _prepare_folders(folder)
    if other := _find_other(path, (key, *before)):
        log.warning(
            "the keys of roles in %s follow from %s, and stay as they are: give each coordinator a "
            "folder of its own for its key, or remove %s if no coordinator uses it",
            path.parent,
            other,
            other,
        )
    for role in DERIVED_ROLES:
        beside = name_role_file(path, role)
        mounted = [folder / role / beside.name] if folder and (folder / role).is_dir() else []
        for file in [*([] if other else [beside]), *mounted]:
            try:
                _write_role_file(file, derive_key(key, role))
            except OSError as error:
                why = explain_system_error(error)
                log.warning("the key of role %s cannot be written to %s: %s", role, file, why)


@contextlib.contextmanager
def own_role_folders(folder: Path | None) -> Generator[None]:
    """Keep other coordinators from writing the keys of roles into the same folders.

    Raises UsageError if one does. Folders that cannot be locked are ignored.
    """
    with contextlib.ExitStack() as stack:
        if folder:
            with contextlib.suppress(OSError):  # reported when the keys are written
                _make_folders(folder)
            for role in DERIVED_ROLES:
                with contextlib.suppress(OSError):
                    _own(stack, folder / role)
        yield


def _own(stack: contextlib.ExitStack, folder: Path) -> None:
    if folder.is_dir():
        lock = stack.enter_context(contextlib.closing(open_lock(folder)))
        if not lock.acquire():
            raise UsageError(
                f"another coordinator writes the keys of roles into {folder}: give each a folder "
                "of its own with --role-keys"
            )


def _make_folders(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for role in DERIVED_ROLES:
        (folder / role).mkdir(mode=0o700, exist_ok=True)


def _prepare_folders(folder: Path) -> None:
    """Make a folder for each role. If some exist already, others may not be wanted."""
    is_prepared = any((folder / role).is_dir() for role in DERIVED_ROLES)
    try:
        _make_folders(folder)
    except OSError as error:
        if not is_prepared:
            why = explain_error(error, folder, WRITE)
            log.warning("no folders for the keys of roles can be made in %s: %s", folder, why)


def _find_other(path: Path, own: Collection[bytes]) -> Path | None:
    """Return the other key beside the one at ``path`` from which the roles' files are derived."""
    foreign: dict[Role, bytes] = {}
    for role in DERIVED_ROLES:
        with contextlib.suppress(OSError):
            found = name_role_file(path, role).read_bytes().strip()
            if all(found != derive_key(key, role) for key in own):
                foreign[role] = found
    if not foreign:
        return None
    for file, other in _list_neighbours(path):
        if any(derive_key(other, role) == found for role, found in foreign.items()):
            return file
    return None


def find_source(path: Path, role: Role, key: bytes) -> Path | None:
    """Return the file beside ``path`` from which a role's key is derived; None if there is none."""
    for file, other in _list_neighbours(path):
        if derive_key(other, role) == key:
            return file
    return None


def _list_neighbours(path: Path) -> Iterator[tuple[Path, bytes]]:
    """Iterate over the small files beside ``path``, which may be keys, with their contents."""
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            file = path.with_name(entry.name)
            with contextlib.suppress(OSError):
                if entry.is_file() and entry.stat().st_size <= _MOST_BYTES_OF_A_KEY:
                    yield file, file.read_bytes().strip()


def _write_role_file(path: Path, key: bytes) -> None:
    line = key + b"\n"
    with contextlib.suppress(FileNotFoundError):
        known = path.read_bytes()
        if known == line:
            return
        if not _WRITTEN_HERE.fullmatch(known):
            raise FileExistsError("there is something else")
    replace_secret_file(path, line)
