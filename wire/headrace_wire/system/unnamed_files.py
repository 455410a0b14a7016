"""Files that get their name when they are complete: until then, nothing is left of them if their
process is killed or the machine stops.

Only Linux has them (O_TMPFILE of open(2)), and only on some file systems: ext4, XFS, Btrfs and
tmpfs, for instance, but not NFS.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from headrace_wire.system.open_flags import CLOEXEC, PATH
from headrace_wire.system.portable import PORTABLE

#: The flag of ``os.open``; None if the system does not have it.
_TMPFILE: int | None = None if PORTABLE else getattr(os, "O_TMPFILE", None)


def open_unnamed(folder: Path) -> int | None:
    """Open a new file for writing that can be named in this folder. None if that is impossible.

    Whether it can be named is tried out with another file, because it would be too late to find out
    when the file has been written.
    """
    trial = _open(folder)
    if trial is None:
        return None
    name = folder / f".headrace-{secrets.token_hex(8)}.part"
    try:
        give_name(trial, name)
        name.unlink()
    except OSError:
        return None
    finally:
        os.close(trial)
    return _open(folder)


def give_name(descriptor: int, path: Path) -> None:
    """Give a file that ``open_unnamed`` opened its name. Raises FileExistsError and OSError."""
    assert PATH is not None  # as Linux has it
    folder = os.open(path.parent, PATH | CLOEXEC)
    try:
        # Only with a folder, link(2) follows the link of /proc: see bpo-37612.
        os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _open(folder: Path) -> int | None:
    if _TMPFILE is None or PATH is None:
        return None
    with contextlib.suppress(OSError):  # whoever makes a named file instead reports what is wrong
        return os.open(folder, os.O_WRONLY | _TMPFILE | CLOEXEC, 0o666)
    return None
