"""What the kernel says of a process in /proc: its memory and its CPU time."""

from __future__ import annotations

import os
from pathlib import Path


def read_rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_bytes().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def read_cpu_seconds(pid: int) -> float:
    """CPU time of a process and of those of its children that it has waited for; 0 when gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0.0
    # The second field is the program's name in parentheses, which may contain anything; utime,
    # stime, cutime and cstime are the 14th to 17th.
    ticks = stat.rpartition(b")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
