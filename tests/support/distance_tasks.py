"""What a client on a host of its own has done: ``main(ADDRESS, KEY)``.

It is imported, as functions of a main program cannot travel by their names. It reads lines of
``[TASKS, SECONDS, BYTES]`` and answers each with a list of what its tasks say: which host and
process each ran on, from when to when, and whether its value is right.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from headrace import Pool


def work(about: tuple[int, float, int]) -> tuple[Any, ...]:
    """Sleep, and return how that went with a value of so many bytes."""
    index, seconds, size = about
    begun = time.monotonic()
    time.sleep(seconds)
    value = index.to_bytes(4, "big") * (size // 4)
    host = str(Path("/proc/self/ns/net").readlink())
    return index, host, os.getpid(), begun, time.monotonic(), value


def main(address: str, key_file: str) -> None:
    with Pool(address, key_file=Path(key_file)) as pool:
        for line in sys.stdin:
            tasks, seconds, size = json.loads(line)
            asked = ((index, seconds, size) for index in range(tasks))
            told = [
                (*about, value == about[0].to_bytes(4, "big") * (size // 4))
                for *about, value in pool.imap_unordered(work, asked)
            ]
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
