"""The machine that a bench runs on, as its results name it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

#: What a machine is told by: text and numbers that JSON carries.
Machine = dict[str, str | int | float]


def describe_machine() -> Machine:
    return {
        "cpu": _read_cpu_model(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30), 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _read_cpu_model() -> str:
    """The model's name, or the architecture where Linux tells no name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
