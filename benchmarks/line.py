"""What a process that measures says of each measure: one line of JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.quiet import Conditions, watch


@dataclass(frozen=True)
class Line:
    """One measure: its figures, or the error it ended with."""

    measure: str
    figures: dict[str, float]
    versions: dict[str, str] | None = None
    error: str | None = None
    conditions: Conditions | None = None

    @classmethod
    def read(cls, text: str) -> Line:
        fields = json.loads(text)
        conditions = fields.pop("conditions")
        return cls(**fields, conditions=Conditions(**conditions) if conditions else None)

    def write(self) -> str:
        return json.dumps(dataclasses.asdict(self))


def take(
    measure: str,
    find: Callable[[], dict[str, float]],
    versions: Callable[[], dict[str, str]],
) -> Line:
    """Measure once, say how it went, and give that back."""
    figures: dict[str, float] = {}
    error = None
    with watch() as conditions:
        try:
            figures = find()
        except Exception as problem:  # noqa: BLE001 - a peer's, and a result like any other
            error = f"{type(problem).__name__}: {problem}".splitlines()[0]
    found = None if error else versions()
    line = Line(measure, figures, found, error, conditions)
    print(line.write(), flush=True)
    return line
