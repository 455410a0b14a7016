"""Measure one system once: ``python -m benchmarks.drive SYSTEM [MEASURE ...]``.

Prints a line of JSON for each measure: its name, and its figures or the error it ended with. The
first line is the start. Run by ``benchmarks.rounds`` in the environment that has the system.
"""

from __future__ import annotations

import json
import sys
import time

from benchmarks.measures import MEASURES
from benchmarks.systems import make_system
from benchmarks.tasks import noop


def main() -> None:
    name, *chosen = sys.argv[1:]
    system = make_system(name)
    try:
        begin = time.perf_counter()
        system.start()
        system.call(noop, 0)
        seconds = time.perf_counter() - begin
        say("start", {"seconds": seconds}, system.versions())
        for measure in chosen or MEASURES:
            try:
                say(measure, MEASURES[measure](system))
            except Exception as error:  # noqa: BLE001 - a peer's, and a result like any other
                say(measure, {}, error=f"{type(error).__name__}: {error}")
    finally:
        system.stop()


def say(
    measure: str,
    figures: dict[str, float],
    versions: dict[str, str] | None = None,
    error: str | None = None,
) -> None:
    line = {"measure": measure, "figures": figures, "versions": versions, "error": error}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
