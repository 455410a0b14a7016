"""Files beneath a folder on systems that only open files by their whole paths, such as Windows.

A path that leads out of the folder is refused as in ``beneath``. But if the folder is changed
between the check and the opening, this is not detected, because the system has no means for that.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from headrace_wire.system.open_flags import BINARY, CLOEXEC, NOCTTY, NOFOLLOW, NONBLOCK
from headrace_wire.system.secret_files import put_in_place

#: Characters that cannot be part of a name on Windows, and lead elsewhere there.
_MARKS = frozenset("\\:" if sys.platform == "win32" else "")

_READ = os.O_RDONLY | NOFOLLOW | NONBLOCK | NOCTTY | CLOEXEC | BINARY

_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW | CLOEXEC | BINARY


class BeneathPaths:
    """A folder, by its path. With ``links``, links that lead to another place in it are followed.

    Its methods are those of ``Beneath``.
    """

    def __init__(self, folder: str | os.PathLike[str], *, links: bool = False) -> None:
        """Find the folder, whose own path may contain links. Raises OSError."""
        self._root = Path(folder).resolve(strict=True)
        if not self._root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        self._links = links

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Do nothing, because nothing is open."""

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return a regular file's content. Raises OSError, and ValueError for a larger file."""
        place = self._find(name)
        if self._links:
            place = place.resolve()
            self._check(place)
        if _leads_elsewhere(place):
            raise _is_link()
        check_regular(place.lstat())
        descriptor = os.open(place, _READ)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            check_regular(found)
            data = file.read(max_bytes + 1) if found.st_size <= max_bytes else b""
        if max(found.st_size, len(data)) > max_bytes:
            raise ValueError(f"the file is over {max_bytes >> 20} MiB")
        return data

    def write(
        self, name: str, data: bytes, may_replace: Callable[[os.stat_result], bool]
    ) -> os.stat_result:
        """Write a file completely or not at all, and return its status. Folders are made.

        ``may_replace`` is called with the status of an existing file. A file with the same content
        is not changed. If the file cannot be written, this raises OSError and leaves nothing
        behind.
        """
        place = self._find(name)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        aside = place.with_name(f".headrace-{secrets.token_hex(8)}.part")
        descriptor = os.open(aside, _WRITE, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                written = os.fstat(descriptor)
            found = _look(place)
            if found is not None and not may_replace(found):
                if not _holds(place, found, data):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
                return found
            if found is not None or not _name_new(aside, place):
                put_in_place(aside, place)
        finally:
            with suppress(FileNotFoundError):
                aside.unlink()
        return written

    def _find(self, name: str) -> Path:
        """Return the path of a name, none of whose folders leads out."""
        if "\0" in name or name.startswith("/") or ".." in name.split("/"):
            raise leads_out()
        if not _MARKS.isdisjoint(name):
            raise OSError(errno.EINVAL, f"no name has {' or '.join(sorted(_MARKS))} in it here")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts:
            raise leads_out()
        place = self._root
        for part in parts[:-1]:
            place /= part
            if _leads_elsewhere(place):
                if not self._links:
                    raise _is_link()
                place = place.resolve(strict=True)
                self._check(place)
        return place / parts[-1]

    def _check(self, place: Path) -> None:
        if not place.is_relative_to(self._root):
            raise leads_out()


def _look(place: Path) -> os.stat_result | None:
    try:
        found = place.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return found


def _name_new(aside: Path, place: Path) -> bool:
    """Give a file its name unless that exists by now. Returns False if the system cannot do
    this.
    """
    try:
        os.link(aside, place)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _holds(place: Path, found: os.stat_result, data: bytes) -> bool:
    if not stat.S_ISREG(found.st_mode) or found.st_size != len(data):
        return False
    try:
        with os.fdopen(os.open(place, _READ), "rb") as file:
            return file.read(len(data) + 1) == data
    except OSError:
        return False  # it may not be readable, which is no reason to replace it


def check_regular(found: os.stat_result) -> None:
    """Raise OSError if a file is not regular."""
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def _leads_elsewhere(place: Path) -> bool:
    """Return whether a path is a symbolic link, or a junction of Windows."""
    try:
        found = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    kind = getattr(found, "st_reparse_tag", 0)
    return stat.S_ISLNK(found.st_mode) or kind == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)


def _is_link() -> OSError:
    return OSError(errno.ELOOP, "there is a link on the way")


def leads_out() -> OSError:
    """Return the error for a name that leads out of the folder."""
    return OSError(errno.EPERM, "it leads out of the folder")
