"""The memory and CPU time of a process, which may have ended when they are read."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import psutil
from msgspec import Struct


class Usage(Struct, frozen=True):
    """What a process uses; the CPU time includes children that it has waited for."""

    rss_bytes: int = 0
    cpu_seconds: float = 0.0


def read_usage(pid: int) -> Usage:
    """Return what a process uses; zeros if it has ended."""
    try:
        process = psutil.Process(pid)
        return Usage(process.memory_info().rss, _sum_cpu_seconds(process))
    except psutil.Error:
        return Usage()


class CpuMeter:
    """Measures how much of one core some processes use together, in percent."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked = clock()
        self._before: dict[int, float] = {}

    def measure(self, cpu_seconds: dict[int, float]) -> float:
        """Return their share since the last call, given the total CPU time of each process.

        A process that was not in the last call has started since. The first call returns 0.
        """
        now, is_first = self._clock(), not self._before
        took, self._looked = now - self._looked, now
        before, self._before = self._before, cpu_seconds
        grown = sum(max(0.0, cpu_seconds[pid] - before.get(pid, 0.0)) for pid in cpu_seconds)
        return 0.0 if is_first or took <= 0 else 100.0 * grown / took


def read_rss_bytes(pid: int) -> int:
    """Return the resident memory of a process; 0 if it has ended."""
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


def read_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and of children that it has waited for; 0 if it has
    ended.
    """
    try:
        return _sum_cpu_seconds(psutil.Process(pid))
    except psutil.Error:
        return 0.0


def _sum_cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system + times.children_user + times.children_system


def name_signal(number: int) -> str:
    """Return the name of a signal. Of the real-time signals, Python only names the first and
    last.
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
