"""Jobs of pictures without a cluster: their tasks run here, and what they made is gathered."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from headrace_services.images import IMAGES
from headrace_services.permits import Permits, RefusedError
from headrace_services.service import Gathered, Target
from headrace_wire.errors import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headrace_services.service import Plan


def run(
    planned: Plan, roots: tuple[str, ...] = ("/",)
) -> tuple[list[tuple[int, bytes]], list[str]]:
    """Run a plan's tasks as a slot would: the values by index, and the failures' texts."""
    IMAGES.permit(Permits(roots=roots))
    runner = IMAGES.prepare(planned.operation, planned.parameters)
    values: list[tuple[int, bytes]] = []
    failures: list[str] = []
    assert planned.inputs is not None
    for index, task_input in enumerate(planned.inputs):
        try:
            values.append((index, runner(index, task_input)))
        except (TaskFailedError, RefusedError) as error:
            failures.append(str(error))
    return values, failures


def gather(
    planned: Plan, values: Iterator[tuple[int, bytes]], path: Path | None = None
) -> Gathered:
    target = Target(io.BytesIO(), path, outputs=planned.outputs)
    return IMAGES.gather(planned.operation, planned.parameters, values, target)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
