"""What the fork server tells its launcher of a slot, by a pipe."""

from __future__ import annotations

import struct

#: A word: a process number, or the system's error with a minus; then the exit status.
REPORT = struct.Struct("i")
