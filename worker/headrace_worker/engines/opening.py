"""Opens the engine that a worker's settings require: a cluster that replaces slots.

WorkerSettings ─► introduce_grid ─► Grid, and what the worker tells about itself
make_remote_engine ─► RemoteEngine
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable

from msgspec.structs import replace

from headrace_services.task import Task
from headrace_wire.bounds import MAX_SLOTS, fit_name
from headrace_wire.engines import ENGINES
from headrace_wire.messages.workers import WorkerInfo
from headrace_worker.engines.grid import Grid
from headrace_worker.engines.registry import GridRequest, open_grid, read_most_slots
from headrace_worker.engines.remote import RemoteEngine
from headrace_worker.link.messages import TaskLine
from headrace_worker.settings import WorkerSettings
from headrace_worker.slot.output import PRINTED, format_json, format_text

log = logging.getLogger(__name__)


async def introduce_grid(settings: WorkerSettings, info: WorkerInfo) -> tuple[Grid, WorkerInfo]:
    """Open the cluster that is to run the tasks of a worker. The returned ``info`` describes its
    slots.

    Raises UsageError and UnreachableError.
    """
    most = read_most_slots(settings.slots)
    request = GridRequest(
        settings.engine_address, most, settings.give_up_seconds, settings.engine_folder
    )
    grid = await open_grid(settings.engine, request)
    if not grid.is_own:
        # Users of that cluster know this; the person who starts the worker should know it, too.
        log.warning(
            "tasks run on %s, whose processes send each other pickles: whoever can connect to them "
            "can run anything there, and read what tasks are given",
            grid.title,
        )
    updated = tell_slots(grid, settings, info)
    return grid, replace(updated, start_method="", cores=float(updated.slots), memory_limit_bytes=0)


def tell_slots(grid: Grid, settings: WorkerSettings, info: WorkerInfo) -> WorkerInfo:
    """Return ``info`` with the slots that its cluster has now."""
    most = read_most_slots(settings.slots)
    limit = grid.title if most is None else f"--slots {most}"
    return replace(
        info,
        slots=min(most or MAX_SLOTS, grid.slots),
        slots_limit=fit_name(grid.shortage or limit),
    )


def make_remote_engine(
    grid: Grid, settings: WorkerSettings, on_slots: Callable[[], object]
) -> RemoteEngine:
    """Return the engine that runs a worker's tasks on an open cluster."""

    def show(line: TaskLine) -> None:
        # A worker whose standard output or error is closed continues, and so do its tasks.
        with contextlib.suppress(OSError, ValueError):
            if settings.task_stdout:
                stream = sys.stdout if line.level == PRINTED else sys.stderr
                print(line.text, file=stream, flush=True)
            else:
                write = format_text if settings.log_format == "text" else format_json
                task = Task(line.job, line.index, line.attempt, 0)
                sys.stderr.write(f"{write(task, line.at, line.level, line.text, settings.name)}\n")

    program = settings.program
    return RemoteEngine(
        grid,
        can_kill=ENGINES[settings.engine].kills,
        slots=read_most_slots(settings.slots) or MAX_SLOTS,
        permits=settings.permits,
        path=program.path if program else (),
        on_slots=on_slots,
        show=show,
    )
