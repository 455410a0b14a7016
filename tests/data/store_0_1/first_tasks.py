"""Functions of the jobs in the store of version 0.1."""

from __future__ import annotations

import os
import time


def repeat(record: dict[str, int]) -> str:
    """As many letters as are asked for; more than a few are kept in the payload file."""
    return "x" * record["times"]


def divide(record: dict[str, int]) -> float:
    """One of them divides by zero."""
    return 12 / record["by"]


def measure(record: dict[str, str]) -> int:
    """The length of a text. While the store is made, the later ones take for ever."""
    if "FIRST_TASKS_SLOW" in os.environ and record["name"] >= "c":
        time.sleep(3600)
    return len(record["text"])
