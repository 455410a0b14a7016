"""Files that are written completely or not at all; only their owner may read those with secrets."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from headrace_wire.system.open_flags import BINARY
from headrace_wire.system.users import HAS_OWNERS, find_user

if TYPE_CHECKING:
    from pathlib import Path

#: The mode of a file that only its owner may read. Windows has no modes: there, everybody who may
#: read the other files of its folder may read it.
SECRET_MODE = 0o600

#: For how many seconds replacing a file is tried again if the system refuses it, as Windows does
#: while somebody has the old one open; and the pause between attempts.
REPLACE_SECONDS = 1.0
RETRY_SECONDS = 0.01


def make_secret_file(path: Path, text: str) -> None:
    """Write ASCII text to a new file of mode 0600, in a folder of mode 0700, which is made if
    missing.

    An existing file is not changed: if two processes start together, the second one reads what the
    first one wrote. The file appears complete, with link(2). Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _drafted(path, text.encode("ascii")) as draft, contextlib.suppress(FileExistsError):
        os.link(draft, path)  # unless another was first


def replace_secret_file(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whatever the umask: completely, or not at all.

    If root writes it, it belongs to the owner of the previous file, or else of the folder. Raises
    OSError.
    """
    with _drafted(path, content, like=path) as draft:
        put_in_place(draft, path)


def replace_file(path: Path, content: bytes, mode: int = SECRET_MODE) -> None:
    """Write a file of this mode, whatever the umask: completely, or not at all, unless the system
    stops.

    After a power cut it may be empty. Raises OSError.
    """
    with _drafted(path, content, mode, sync=False) as draft:
        put_in_place(draft, path)


def give_away(descriptor: int, path: Path) -> None:
    """Give a file that root writes to the owner of what is at ``path``, or of its folder."""
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
    """Write a file beside ``path``, which is removed again unless it is renamed."""
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
