"""The memory and the CPU time of a process, which may be gone by the time somebody asks."""

from __future__ import annotations

import psutil


def read_rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone."""
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


def read_cpu_seconds(pid: int) -> float:
    """CPU time of a process and of those of its children that it has waited for; 0 when gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system
