"""Measure one system once: ``python -m benchmarks.drive SYSTEM [MEASURE ...]``.

Prints a line of JSON for each measure: its name, and its figures or the error it ended with. The
first line is the start. Run by ``benchmarks.rounds`` in the environment that has the system.
"""

from __future__ import annotations

import sys
import time

from benchmarks.line import take
from benchmarks.measures import MEASURES, START, Figures
from benchmarks.process_tree import keep_orphans
from benchmarks.systems import make_system
from benchmarks.systems.system import System
from benchmarks.tasks import noop


def main() -> None:
    name, *chosen = sys.argv[1:]
    keep_orphans()
    system = make_system(name)
    try:
        if take(START, lambda: _start(system), system.versions).error:
            return
        for measure in chosen or MEASURES:
            if measure != START:
                _take(measure, system)
    finally:
        system.stop()


def _start(system: System) -> Figures:
    """M5: seconds from nothing to the first result."""
    begin = time.perf_counter()
    system.start()
    system.call(noop, 0)
    return {"seconds": time.perf_counter() - begin}


def _take(measure: str, system: System) -> None:
    take(measure, lambda: MEASURES[measure](system), system.versions)


if __name__ == "__main__":
    main()
