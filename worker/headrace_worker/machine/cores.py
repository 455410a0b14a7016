"""How many cores this process can really use, and how many slots that makes."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from msgspec import Struct

from headrace_wire.bounds import MAX_SLOTS
from headrace_wire.system import cgroup
from headrace_wire.system.portable import PORTABLE


class Cores(Struct, frozen=True):
    """The usable number of cores, which may be a fraction, and the limit that determines it, in
    words.
    """

    cpus: float
    limit: str

    @property
    def count(self) -> int:
        """How many cores can be busy at the same time, at least 1.

        A quota is rounded up: 1.5 CPUs keep two slots busy three quarters of the time.
        """
        # Without this small tolerance, a quota such as 100001/100000 us would make one more slot.
        return max(1, math.ceil(self.cpus - 0.001))


def count_usable_cores(root: Path = Path("/")) -> Cores:
    """Return the minimum of the host's cores, this process's affinity, and its cgroup's CPU
    quota.
    """
    host = os.cpu_count() or 1
    affinity = _count_affinity(host)
    count: float = host
    limit = f"{host} core{'' if host == 1 else 's'}"
    if affinity < host:
        count, limit = affinity, f"affinity to {affinity} of {host} cores"
    quota = _read_quota(root)
    if quota is not None:
        cpus, version = quota
        if cpus < count:
            unit = "CPU" if cpus == 1 else "CPUs"
            count, limit = cpus, f"cgroup v{version} quota {cpus:g} {unit}"
    return Cores(count, limit)


def _count_affinity(host: int) -> int:
    """Return the number of cores that this process may use; all of them if the system does not
    say.
    """
    if hasattr(os, "sched_getaffinity") and not PORTABLE:
        return len(os.sched_getaffinity(0))
    return host


def parse_slots(text: str, cores: Cores) -> int:
    """Parse ``auto`` (a slot for each core), ``N``, or ``Nx`` (N slots for each core).

    Raises ValueError for anything else, for zero, and for too many.
    """
    word = text.strip().lower()
    if word == "auto":
        return cores.count
    match = re.fullmatch(r"([0-9]{1,9})(x?)", word)
    slots = int(match[1]) * (cores.count if match[2] else 1) if match else 0
    if not 1 <= slots <= MAX_SLOTS:
        raise ValueError(
            f"slots is {text!r}: give 'auto', a number from 1 to {MAX_SLOTS}, "
            "or a multiple of the cores such as '2x'"
        )
    return slots


def _read_quota(root: Path) -> tuple[float, int] | None:
    quotas: list[tuple[float, int]] = []
    for version, folder in cgroup.find_folders("cpu", root):
        if version == 2:
            words = _read_words(folder / "cpu.max")
        else:
            words = _read_words(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")
        # "max", -1, 0 and a missing file all mean that there is no limit at this level.
        if len(words) == 2 and all(word.isdecimal() and int(word) for word in words):
            quotas.append((int(words[0]) / int(words[1]), version))
    return min(quotas, default=None)


def _read_words(*files: Path) -> list[str]:
    try:
        return [word for file in files for word in file.read_text().split()]
    except OSError:
        return []
