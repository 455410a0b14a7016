"""The folders in which a worker reads and writes files for jobs, as named by its operator."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

from headrace_services.beneath import open_beneath
from headrace_services.permits import RefusedError

#: The size in bytes above which a file is not read into memory.
MAX_SHARED_BYTES = 2 << 30


def read_shared(roots: tuple[str, ...], path: str) -> bytes:
    """Return the content of the file at an absolute path.

    Raises RefusedError, OSError, and ValueError if the file is too large.
    """
    root, name = _locate(roots, path, "has nothing to read")
    with open_beneath(root, links=True) as beneath:
        return beneath.read(name, MAX_SHARED_BYTES)


def write_shared(roots: tuple[str, ...], folder: str, name: str, data: bytes) -> None:
    """Write a file under an absolute folder. Raises RefusedError, OSError and ValueError."""
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise ValueError("its name leads out of the output folder")
    root, place = _locate(roots, f"{folder}/{name}", "may write nothing")
    with open_beneath(root, links=True) as beneath:
        beneath.write(place, data, _replace_files)


def _replace_files(_found: os.stat_result) -> bool:
    return True


def _locate(roots: tuple[str, ...], path: str, what: str) -> tuple[str, str]:
    """Return the root that contains a path, and the rest of the path."""
    for root in sorted(roots, key=len, reverse=True):
        prefix = root.rstrip("/") + "/"
        if path.startswith(prefix):
            return root, path[len(prefix) :]
    folder = os.path.dirname(path)  # noqa: PTH120 - it may not be a path of this system
    shared = f"it shares {', '.join(roots)}" if roots else "it shares no folder"
    raise RefusedError(
        f"this worker {what} in {folder}, for {shared}: start it with --shared-root {folder} "
        "or a folder above"
    )
