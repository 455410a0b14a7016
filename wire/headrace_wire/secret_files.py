"""Files that their owner alone may read, and that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_secret_file(path: Path, text: str) -> None:
    """Write ASCII text to a new file of mode 0600, in a folder of 0700 where there is none.

    One that is there already is left as it is: of two processes that start together, the one that
    comes second reads what the first one wrote. The file appears whole, by link(2). Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another was first
            os.link(draft, path)
    finally:
        draft.unlink()
