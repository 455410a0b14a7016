"""How files are opened: flags of ``os.open``, 0 where the system does not have them."""

from __future__ import annotations

import os

#: Bytes are read and written as they are; Windows changes ends of lines otherwise.
BINARY: int = getattr(os, "O_BINARY", 0)

#: Programs that this process starts do not have the file. On Windows none has, unless it is told.
CLOEXEC: int = getattr(os, "O_CLOEXEC", 0)

#: Opening does not wait: for whoever writes to a pipe, say.
NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)

#: A terminal does not become the process's own.
NOCTTY: int = getattr(os, "O_NOCTTY", 0)

#: Links are not followed at the end of a path.
NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)

#: Folders alone are opened.
DIRECTORY: int = getattr(os, "O_DIRECTORY", 0)

#: Only the place is opened, for which nobody needs a right to read; Linux alone has it.
PATH: int | None = getattr(os, "O_PATH", None)
