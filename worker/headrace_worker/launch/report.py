"""What the fork server reports to its launcher about a slot, through a pipe."""

from __future__ import annotations

import struct

#: A word: the process number, or a negative error number of the system; and then the exit status.
REPORT = struct.Struct("i")
