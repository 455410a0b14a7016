"""Whether the machine was quiet while something was measured.

Two signs, looked at from just before a measure to just after it:

- A probe: the CPU time that a fixed computation takes, on every core at once. It grows when the
  clock is lowered or a neighbour of a virtual machine has the other half of the core. Its CPU time
  and not its duration: what the measured system still does then is no disturbance.
- The share of the machine's CPU time that went to processes which are not of the run, or was stolen
  by the hypervisor: what ``/proc/stat`` counted, without what the run's processes used.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from benchmarks.process_tree import count_cpu_seconds

#: A probe that is slower than the best of the bench by more than this share shows a disturbance.
MOST_SLOWNESS = 0.15

#: Others may take this share of the CPU time, and no more.
MOST_FOR_OTHERS = 0.05

#: Rounds of the probe's computation: some 30 ms on a core of 2023.
_PROBE_ROUNDS = 120_000


@dataclass
class Conditions:
    """What it was like while something was measured. Filled in when the measure ends."""

    probe_ms: float = 0.0
    others: float = 0.0


@contextmanager
def watch() -> Iterator[Conditions]:
    """Look at the machine from here to the end of the block.

    The run's processes are those below this one: see ``process_tree.keep_orphans``.
    """
    conditions = Conditions()
    begin, busy, mine = time.monotonic(), _count_busy_seconds(), count_cpu_seconds()
    before_ms = _probe()
    try:
        yield conditions
    finally:
        conditions.probe_ms = max(before_ms, _probe())
        others = (_count_busy_seconds() - busy) - (count_cpu_seconds() - mine)
        seconds = (time.monotonic() - begin) * (os.cpu_count() or 1)
        conditions.others = max(0.0, others / seconds)


def measure_disturbance(conditions: Conditions, best_probe_ms: float) -> float:
    """How disturbed it was: more than 1 is too much."""
    slowness = conditions.probe_ms / best_probe_ms - 1
    return max(slowness / MOST_SLOWNESS, conditions.others / MOST_FOR_OTHERS)


def _count_busy_seconds() -> float:
    """CPU time that was used or stolen since the machine started, all cores together.

    Without that of interrupts, which no process is charged with.
    """
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.steal)


def _probe() -> float:
    """CPU milliseconds of the computation on the core that took longest."""
    taken: list[float] = []
    threads = [
        threading.Thread(target=_compute, args=(core, taken.append))
        for core in sorted(os.sched_getaffinity(0))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(taken)


def _compute(core: int, tell: Callable[[float], None]) -> None:
    os.sched_setaffinity(0, {core})  # of this thread alone
    begin = time.thread_time()
    hashlib.pbkdf2_hmac("sha256", b"headrace", b"probe", _PROBE_ROUNDS)  # leaves the GIL alone
    tell((time.thread_time() - begin) * 1e3)
