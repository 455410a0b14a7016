"""Files without a name, which exist as long as a process has them open.

On Linux they are in memory (memfd_create(2)). Elsewhere it is a file on disk whose name is removed
at once, or on Windows when it is closed.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from headrace_wire.system.open_flags import BINARY
from headrace_wire.system.portable import PORTABLE

#: Whether the system has files in memory, and shows those of a process as /proc/PID/fd/NUMBER.
HAS_MEMORY_FILES = hasattr(os, "memfd_create") and not PORTABLE

_make_in_memory: Any = getattr(os, "memfd_create", None)
_CLOSED_IN_PROGRAMS: int = getattr(os, "MFD_CLOEXEC", 0)

#: Windows itself removes such a file when nobody has it open any more.
_REMOVED_AT_CLOSE: int = getattr(os, "O_TEMPORARY", 0)


def open_memory_file(name: str) -> int:
    """Open a new file, which children do not inherit. Raises OSError.

    ``name`` helps people who look at the open files of the process.
    """
    if HAS_MEMORY_FILES:
        return int(_make_in_memory(name, _CLOSED_IN_PROGRAMS))
    number, path = tempfile.mkstemp(prefix=f"{name}-")
    if not _REMOVED_AT_CLOSE:
        os.unlink(path)  # noqa: PTH108 - text, as mkstemp returns it
        return number
    os.close(number)
    return os.open(path, os.O_RDWR | BINARY | _REMOVED_AT_CLOSE)
