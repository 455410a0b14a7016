"""The main job on this machine: primes and pictures, in one process and on all cores.

    python examples/demo.py FOLDER-OF-PICTURES [LAST-NUMBER]

Every line is one `headrace run`, with one slot and then with one for each core: the same
coordinator, worker and pool as on a cluster, started for the job and stopped afterwards.
Primes are counted up to 1e11 or LAST-NUMBER, and found up to a hundredth of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(arguments: list[str], slots: str) -> dict[str, Any]:
    """Run one job. Returns what ``--json`` prints."""
    command = [sys.executable, "-m", "headrace", "run", *arguments, "--slots", slots, "--json"]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def show(title: str, arguments: list[str]) -> None:
    """Run a job both ways and print a line about it."""
    alone, together = run(arguments, "1"), run(arguments, "auto")
    seconds = [job["wall_seconds"] for job in (alone, together)]
    result = together["result"]
    if isinstance(result, int):
        found = f"{result:,} primes"
    else:
        found = next(
            f"{result[what]:,} {what}" for what in ("primes", "pictures") if what in result
        )
    print(
        f"{title:<28} {found:>22} {together['tasks']:>6} {seconds[0]:7.2f} s {seconds[1]:9.2f} s "
        f"{seconds[0] / seconds[1]:9.2f}",
        flush=True,
    )


def main() -> None:
    photographs = Path(sys.argv[1])
    last = float(sys.argv[2]) if sys.argv[2:] else 1e11
    counted, found = (
        f"{stop:.0e}".replace("e+0", "e").replace("e+", "e") for stop in (last, last / 100)
    )
    heading = f"{'job':<28} {'result':>22} {'tasks':>6} {'1 slot':>9} {'all cores':>11}"
    print(f"{heading} {'speed-up':>9}", flush=True)
    primes = photographs.parent / "primes.txt"
    show(f"primes count 0 {counted}", ["primes", "count", "0", counted])
    show(f"primes find 0 {found}", ["primes", "find", "0", found, "-o", str(primes)])
    for operation in ("blur", "edges", "thumbnail"):
        output = photographs.parent / operation
        show(f"images {operation}", ["images", operation, str(photographs), str(output)])
    print(f"The primes are in {primes}, the pictures in folders beside it.")


if __name__ == "__main__":
    main()
