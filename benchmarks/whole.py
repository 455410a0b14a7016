"""Measure a whole command once: ``python -m benchmarks.whole SYSTEM MEASURE ...``.

Such a measure is a module of this package, named like it, with two functions:

- ``list_systems()`` gives, for each system that this machine has, a function that runs it once and
  returns its figures, such as ``{"seconds": 1.2}`` or ``{"count_1e10_seconds": 1.2}``. One of them
  is "headrace". What has to be made beforehand (photographs, say) is made by that function.
- ``list_versions()`` gives each system's versions: ``{"primesieve": {"primesieve": "11.0"}}``.

Prints lines as ``benchmarks.drive`` does.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any

from benchmarks.line import take
from benchmarks.process_tree import keep_orphans

#: The measures there are: M7 and M8. M6 is told of in NOTES.md.
WHOLE = ("primes", "images")


def main() -> None:
    system, *measures = sys.argv[1:]
    keep_orphans()
    for measure in measures:
        module = _import(measure)
        take(
            measure,
            module.list_systems()[system],
            lambda module=module: module.list_versions().get(system, {}),  # type: ignore[misc]
        )


def list_whole_measures() -> dict[str, list[str]]:
    """The measures that there are, and which systems this machine has for each."""
    return {
        measure: list(_import(measure).list_systems())
        for measure in WHOLE
        if importlib.util.find_spec(f"benchmarks.{measure}")
    }


def _import(measure: str) -> Any:
    return importlib.import_module(f"benchmarks.{measure}")


if __name__ == "__main__":
    main()
