"""Waits for one descriptor with poll(2), whatever its number is. Windows has no poll."""

from __future__ import annotations

import select
from typing import Any

from headrace_wire.system.portable import PORTABLE

#: Events of poll(2): something can be read or written, or the descriptor is not open.
READABLE: int = getattr(select, "POLLIN", 1)
WRITABLE: int = getattr(select, "POLLOUT", 4)
CLOSED: int = getattr(select, "POLLNVAL", 32)

#: Makes a poll object; None if there is none.
make_poll: Any = None if PORTABLE else getattr(select, "poll", None)
