"""What a process that measures says of each measure: one line of JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One measure: its figures, or the error it ended with."""

    measure: str
    figures: dict[str, float]
    versions: dict[str, str] | None = None
    error: str | None = None

    @classmethod
    def read(cls, text: str) -> Line:
        return cls(**json.loads(text))

    def write(self) -> str:
        return json.dumps(dataclasses.asdict(self))


def take(
    measure: str,
    find: Callable[[], dict[str, float]],
    versions: Callable[[], dict[str, str]],
) -> Line:
    """Measure once, and print and return how it went."""
    figures: dict[str, float] = {}
    error = None
    try:
        figures = find()
    except Exception as problem:  # noqa: BLE001 - a peer's, and a result like any other
        error = f"{type(problem).__name__}: {problem}".splitlines()[0]
    found = None if error else versions()
    line = Line(measure, figures, found, error)
    print(line.write(), flush=True)
    return line
