"""Files that are there whole or not at all; those with secrets only their owner may read."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from headrace_wire.open_flags import BINARY
from headrace_wire.users import HAS_OWNERS, find_user

if TYPE_CHECKING:
    from pathlib import Path

#: The mode of a file that its owner alone may read. Windows has no modes: there such a file may be
#: read by whoever may read the others of its folder.
SECRET_MODE = 0o600

#: For how many seconds a file is not replaced where the system refuses that, as Windows does while
#: somebody has the old one open; and how often it is tried.
REPLACE_SECONDS = 1.0
RETRY_SECONDS = 0.01


def make_secret_file(path: Path, text: str) -> None:
    """Write ASCII text to a new file of mode 0600, in a folder of 0700 where there is none.

    One that is there already is left as it is: of two processes that start together, the one that
    comes second reads what the first one wrote. The file appears whole, by link(2). Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _drafted(path, text.encode("ascii")) as draft, contextlib.suppress(FileExistsError):
        os.link(draft, path)  # unless another was first


def replace_secret_file(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, whatever the umask: whole, or not at all.

    What root writes belongs to the owner of the file before, or else of the folder. Raises OSError.
    """
    with _drafted(path, content, like=path) as draft:
        put_in_place(draft, path)


def replace_file(path: Path, content: bytes, mode: int = SECRET_MODE) -> None:
    """Write a file of this mode, whatever the umask: whole, or not at all, if the system goes on.

    After a power cut it may be empty. Raises OSError.
    """
    with _drafted(path, content, mode, sync=False) as draft:
        put_in_place(draft, path)


def give_away(descriptor: int, path: Path) -> None:
    """Let a file that root writes belong to the owner of what is at ``path``, or its folder."""
    if find_user() == 0 and hasattr(os, "fchown"):
        like = (path if path.exists() else path.parent).stat()
        os.fchown(descriptor, like.st_uid, like.st_gid)


def put_in_place(draft: Path, path: Path) -> None:
    """Give a file the name of an older one, which it replaces. Raises OSError."""
    last = time.monotonic() + (0.0 if HAS_OWNERS else REPLACE_SECONDS)
    while True:
        try:
            draft.replace(path)
            return
        except PermissionError:
            if time.monotonic() >= last:
                raise
        time.sleep(RETRY_SECONDS)


@contextlib.contextmanager
def _drafted(
    path: Path,
    content: bytes,
    mode: int = SECRET_MODE,
    *,
    like: Path | None = None,
    sync: bool = True,
) -> Generator[Path]:
    """Write a file beside ``path``, which is removed again unless it is moved away."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, SECRET_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if HAS_OWNERS and hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
            if like:
                give_away(descriptor, like)
            file.write(content)
            if sync:
                file.flush()
                os.fsync(descriptor)
        yield draft
    finally:
        draft.unlink(missing_ok=True)
