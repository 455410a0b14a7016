"""Memory that a slot shares with its pool: a file without a name, or on Windows only a name."""

from __future__ import annotations

import mmap
import os
import sys
from typing import Any

from headrace_wire.system.memory_file import open_memory_file

#: The handle by which the other process maps it: a descriptor, or on Windows a name.
Handle = int | str


def make_memory(size: int) -> Handle:
    """Make a shared memory of this size. Raises OSError."""
    if sys.platform == "win32":
        return f"headrace-{os.getpid()}-{os.urandom(8).hex()}"  # it exists once it is mapped
    handle = open_memory_file("headrace-cell")
    os.ftruncate(handle, size)
    return handle


def map_memory(handle: Handle, size: int) -> mmap.mmap:
    """Map a shared memory into this process. Raises OSError."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size, tagname=str(handle))
    return mmap.mmap(int(handle), size)


def release(handle: Handle) -> None:
    """Release the handle by which it was mapped."""
    if isinstance(handle, int):
        os.close(handle)


def send_along(handle: Handle) -> Any:
    """Return what multiprocessing sends to a process that it starts; see ``take``."""
    if sys.platform == "win32":
        return handle
    from multiprocessing import reduction  # noqa: PLC0415 - only where slots are spawned

    return reduction.DupFd(int(handle))


def take(sent: Any) -> Handle:
    """Return the handle in the process that was started."""
    return sent if isinstance(sent, str) else int(sent.detach())
