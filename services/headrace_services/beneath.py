"""Files beneath a folder, whatever links and names others put there.

Each part of a name is opened separately and never through a link, so that nobody who changes the
folder meanwhile can lead a reader or a writer out of it:

    Beneath(folder) ─► part ─► part ─► the file, read, or written whole or not at all
                        └─ a link: refused, or followed where it stays beneath the folder
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from headrace_services.beneath_paths import BeneathPaths, check_regular, leads_out
from headrace_wire.system.open_flags import CLOEXEC, DIRECTORY, NOCTTY, NOFOLLOW, NONBLOCK, PATH
from headrace_wire.system.portable import PORTABLE

#: Whether files can be opened by their names in an open folder, which Windows does not support.
HAS_OPEN_FOLDERS = os.open in os.supports_dir_fd and not PORTABLE

#: As many links as Linux follows in one path.
MOST_LINKS = 40

#: Flags for the folder itself: if the system supports that, it is opened without the right to list
#: it, which is not necessary if the names are known.
_ROOT = (PATH or os.O_RDONLY) | DIRECTORY | CLOEXEC

#: Flags for a folder that others may have put there.
_FOLDER = _ROOT | NOFOLLOW

#: Flags for reading a file: one that was just replaced by a FIFO or a terminal does not block.
_READ = os.O_RDONLY | NOFOLLOW | NONBLOCK | NOCTTY | CLOEXEC

_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW | CLOEXEC

#: Errors of opening a folder if there is a link.
_MAY_BE_LINK = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EMLINK})

#: Errors of file systems that do not support a second name for a file.
_NO_SECOND_NAME = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def open_beneath(folder: str | os.PathLike[str], *, links: bool = False) -> Beneath | BeneathPaths:
    """Open a folder in the best way that this system supports. Raises OSError."""
    return (Beneath if HAS_OPEN_FOLDERS else BeneathPaths)(folder, links=links)


class Beneath:
    """An open folder. With ``links``, links that lead to another place beneath it are followed."""

    def __init__(self, folder: str | os.PathLike[str], *, links: bool = False) -> None:
        """Open the folder, whose own path may contain links. Raises OSError."""
        self._root = os.open(folder, _ROOT)
        #: The possible beginnings of a link that stays beneath the folder; None if no link is
        #: followed.
        self._prefixes = _list_prefixes(folder) if links else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        os.close(self._root)

    def read(self, name: str, max_bytes: int) -> bytes:
        """Return a regular file's content. Raises OSError, and ValueError for a larger file."""
        with _Way(self._root, name, self._prefixes) as way:
            descriptor = way.open_file()
            with os.fdopen(descriptor, "rb") as file:
                if os.fstat(descriptor).st_size > max_bytes:
                    raise ValueError(f"the file is over {max_bytes >> 20} MiB")
                data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
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
        with _Way(self._root, name, self._prefixes, make=True) as way:
            return _write(way.folder, way.last, data, may_replace)


class _Way(ExitStack):
    """The folders on the way to a name's last part, which are open until this is closed."""

    def __init__(
        self, root: int, name: str, prefixes: tuple[str, ...] | None, *, make: bool = False
    ) -> None:
        super().__init__()
        parts = name.split("/")
        if "\0" in name or name.startswith("/") or ".." in parts:
            raise leads_out()
        self._folders = [root]
        self._parts = deque(parts)
        self._prefixes, self._make, self._followed = prefixes, make, 0
        self.last = ""
        try:
            self._walk()
        except BaseException:
            self.close()
            raise

    @property
    def folder(self) -> int:
        return self._folders[-1]

    def open_file(self) -> int:
        """Open the regular file to which the way leads."""
        while True:
            found = os.stat(self.last, dir_fd=self.folder, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                self._follow(self.last)
                self._walk()
                continue
            check_regular(found)
            descriptor = os.open(self.last, _READ, dir_fd=self.folder)
            try:
                check_regular(os.fstat(descriptor))
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

    def _walk(self) -> None:
        """Enter every part except the last one, which may be a link."""
        while self._parts:
            part = self._parts.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                self._go_back()
            elif not any(rest not in ("", ".") for rest in self._parts):
                self.last = part
                return
            else:
                self._enter(part)
        raise leads_out()  # to a folder, which is not a file

    def _go_back(self) -> None:
        if len(self._folders) == 1:
            raise leads_out()
        self._folders.pop()  # it is closed with the others

    def _enter(self, part: str) -> None:
        try:
            descriptor = self._open_folder(part)
        except OSError as error:
            if error.errno not in _MAY_BE_LINK or not _is_link(part, self.folder):
                raise
            self._follow(part)
            return
        self.callback(os.close, descriptor)
        self._folders.append(descriptor)

    def _open_folder(self, part: str) -> int:
        try:
            return os.open(part, _FOLDER, dir_fd=self.folder)
        except FileNotFoundError:
            if not self._make:
                raise
        with suppress(FileExistsError):  # somebody else was faster
            os.mkdir(part, dir_fd=self.folder)
        return os.open(part, _FOLDER, dir_fd=self.folder)

    def _follow(self, part: str) -> None:
        self._followed += 1
        if self._prefixes is None:
            raise OSError(errno.ELOOP, "there is a link on the way")
        if self._followed > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        leads_to = os.readlink(part, dir_fd=self.folder)
        if leads_to.startswith("/"):
            leads_to = _cut_prefix(leads_to, self._prefixes)
            del self._folders[1:]  # start at the root again
        self._parts.extendleft(reversed(leads_to.split("/")))


def _list_prefixes(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    places = {os.path.abspath(folder), os.path.realpath(folder)}  # noqa: PTH100 - links stay in one
    return tuple(place.rstrip("/") + "/" for place in places)


def _cut_prefix(path: str, prefixes: tuple[str, ...]) -> str:
    """Return the part of an absolute path that follows the folder."""
    for prefix in prefixes:
        if path.startswith(prefix):
            return path[len(prefix) :]
    raise leads_out()


def _write(
    folder: int, name: str, data: bytes, may_replace: Callable[[os.stat_result], bool]
) -> os.stat_result:
    aside = f".headrace-{secrets.token_hex(8)}.part"
    descriptor = os.open(aside, _WRITE, 0o666, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            written = os.fstat(descriptor)
        found = _look(folder, name)
        if found is not None and not may_replace(found):
            if not _holds(folder, name, found, data):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            os.unlink(aside, dir_fd=folder)
            return found
        if found is not None or not _name_new(folder, aside, name):
            os.replace(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(aside, dir_fd=folder)
        raise
    return written


def _name_new(folder: int, aside: str, name: str) -> bool:
    """Give a file its name unless that exists by now. Returns False if the system cannot do
    this.
    """
    try:
        os.link(aside, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAME:
            raise
        return False
    os.unlink(aside, dir_fd=folder)
    return True


def _holds(folder: int, name: str, found: os.stat_result, data: bytes) -> bool:
    if not stat.S_ISREG(found.st_mode):
        return False
    if found.st_size != len(data):
        return False
    try:
        with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as file:
            return file.read(len(data) + 1) == data
    except OSError:
        return False  # it may not be readable, which is no reason to replace it


def _look(folder: int, name: str) -> os.stat_result | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return found


def _is_link(part: str, folder: int) -> bool:
    found = os.stat(part, dir_fd=folder, follow_symlinks=False)
    return stat.S_ISLNK(found.st_mode)
