"""Flags of ``os.open``, which are 0 if the system does not have them."""

from __future__ import annotations

import os

#: Read and write bytes unchanged; otherwise Windows changes the ends of lines.
BINARY: int = getattr(os, "O_BINARY", 0)

#: Programs that this process starts do not inherit the file. On Windows this is the default.
CLOEXEC: int = getattr(os, "O_CLOEXEC", 0)

#: Opening does not block, for example until somebody writes to a pipe.
NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)

#: A terminal does not become the controlling terminal of the process.
NOCTTY: int = getattr(os, "O_NOCTTY", 0)

#: A link at the end of a path is not followed.
NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)

#: Only folders are opened.
DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)

#: Opens only the location, which requires no permission to read; only Linux has this flag.
PATH: int | None = getattr(os, "O_PATH", None)
