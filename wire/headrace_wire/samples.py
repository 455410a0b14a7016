"""The metric samples that workers send with their reports: their names, labels and buckets.

Both sides know them, so that a worker cannot make the coordinator keep any number of series.
"""

from __future__ import annotations

from msgspec import Struct

#: Upper bounds of the task time buckets, in seconds; one more bucket is for longer times.
TASK_SECONDS_BOUNDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
)  # fmt: skip


class SampleKind(Struct, frozen=True):
    """One metric: a histogram if it has bounds, otherwise a counter."""

    name: str
    help: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()


TASK_SECONDS = SampleKind(
    "headrace_task_seconds",
    "Time that tasks took in their slot.",
    ("service", "operation"),
    TASK_SECONDS_BOUNDS,
)
CPU_SECONDS = SampleKind(
    "headrace_cpu_seconds",
    "CPU time that slots spent on tasks.",
    ("service", "operation"),
)
SLOT_RESTARTS = SampleKind(
    "headrace_slot_restarts",
    "Slots that were replaced, by reason.",
    ("reason",),
)

#: Every kind by name.
KINDS = {kind.name: kind for kind in (TASK_SECONDS, CPU_SECONDS, SLOT_RESTARTS)}
