"""``headrace worker``. It does not import anything that only clients need."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from headrace.cli.kinds import (
    AUTO,
    AUTO_SIZE,
    DURATION,
    LABEL,
    SIZE,
    PathKind,
    WordKind,
    write_duration,
)
from headrace.cli.numbers import CountKind
from headrace.cli.options import (
    ConnectionOptions,
    connection_options,
    log_options,
    option,
    slots_option,
)
from headrace.cli.outputs import explain_unwritable_folder
from headrace.cli.printing import tell
from headrace_services.permits import DEFAULT_MAX_PIXELS
from headrace_wire.engines import POOL
from headrace_wire.errors import UsageError
from headrace_wire.log_format import choose_log_format
from headrace_wire.system.users import describe_user
from headrace_worker.engines.dask_address import complete_address
from headrace_worker.engines.registry import ENGINE_NAMES, require_library
from headrace_worker.launch.start_methods import DEFAULT_METHOD
from headrace_worker.machine.memory import LIMITS_MEMORY
from headrace_worker.settings import (
    DEFAULT_DRAIN_SECONDS,
    DEFAULT_GIVE_UP_SECONDS,
    GUARD_MODES,
    GuardMode,
)

if TYPE_CHECKING:
    from headrace_services.permits import Permits


#: The options of a worker about its own processes, which other engines do not have.
SLOT_OPTIONS = ("start_method", "max_tasks", "max_rss", "memory_limit", "key_guard")


@click.command()
@connection_options
@option(
    "--engine",
    type=WordKind(ENGINE_NAMES),
    default=POOL,
    show_default=True,
    help="What runs the tasks: a pool of slots on this machine, or another cluster.",
)
@option(
    "--dask-scheduler",
    default="",
    metavar="HOST:PORT",
    help="With --engine dask: the scheduler. [default: a cluster on this machine]",
)
@option(
    "--ray-address",
    default="",
    metavar="HOST:PORT",
    help="With --engine ray: the cluster, which includes this machine. [default: RAY_ADDRESS, "
    "or a cluster on this machine]",
)
@slots_option
@option(
    "--start-method",
    type=WordKind(["forkserver", "spawn"]),
    default=DEFAULT_METHOD,
    show_default=True,
    help="How slots are started; plain fork is not safe in a process with threads.",
)
@option(
    "--name",
    type=LABEL,
    default="",
    metavar="TEXT",
    help="Name in lists and metrics. [default: host-pid]",
)
@option(
    "--drain",
    type=DURATION,
    default=write_duration(DEFAULT_DRAIN_SECONDS),
    show_default=True,
    help="How long running tasks may take to finish when the worker is told to end.",
)
@option(
    "--give-up",
    type=DURATION,
    default=write_duration(DEFAULT_GIVE_UP_SECONDS),
    show_default=True,
    help="How long to try to reconnect to the coordinator.",
)
@option("--max-tasks", type=CountKind(1), help="Replace a slot after this many tasks.")
@option("--max-rss", type=SIZE, help="Replace a slot whose memory exceeds this size.")
@option(
    "--memory-limit",
    type=AUTO_SIZE,
    default="auto",
    show_default="all that the machine or container has",
    metavar="SIZE|none",
    help="Refuse a slot more memory than this; its task fails with MemoryError.",
)
@option(
    "--max-pixels",
    type=CountKind(1),
    metavar="NUMBER",
    default=DEFAULT_MAX_PIXELS,
    show_default="10^9",
    help="Do not decode pictures with more pixels, whatever a job's own limit is.",
)
@option(
    "--shared-root",
    multiple=True,
    metavar="DIR",
    type=PathKind(exists=True, file_okay=False, readable=False),
    help="Let jobs with --shared read and write pictures in this folder. Repeatable.",
)
@option(
    "--allow",
    multiple=True,
    metavar="NAME",
    help="Let jobs call the functions of this module, or just module:function. Repeatable.",
)
@option(
    "--path",
    multiple=True,
    metavar="DIR",
    type=PathKind(exists=True, file_okay=False, readable=False, resolve_path=True),
    help="Search for modules in this folder first. Repeatable.",
)
@option(
    "--unreported",
    metavar="DIR",
    type=PathKind(path_type=Path, file_okay=False, resolve_path=True, readable=False),
    help="Folder for outcomes that could not be reported; those of earlier workers are reported.",
)
@option(
    "--allow-pickle",
    is_flag=True,
    help="Accept pickled functions: everybody who may submit jobs can run anything here.",
)
@option(
    "--allow-ship",
    is_flag=True,
    help="Accept code that is sent with jobs: everybody who may submit jobs can run anything here.",
)
@option(
    "--key-guard",
    type=WordKind(GUARD_MODES),
    default="auto",
    show_default=True,
    help="Prevent tasks from reading the key: if possible (auto), or do not start otherwise, "
    "or never.",
)
@log_options
def worker(
    connection: ConnectionOptions,
    engine: str,
    dask_scheduler: str,
    ray_address: str,
    slots: str,
    start_method: str,
    name: str,
    drain: float,
    give_up: float,
    max_tasks: int | None,
    max_rss: int | None,
    memory_limit: int | str,
    max_pixels: int,
    shared_root: tuple[str, ...],
    allow: tuple[str, ...],
    path: tuple[str, ...],
    unreported: Path | None,
    allow_pickle: bool,
    allow_ship: bool,
    key_guard: GuardMode,
    log_level: str,
    log_format: str,
) -> None:
    """Work for a coordinator, with a pool of slots or another cluster, until SIGTERM or Ctrl-C.

    After the first signal, running tasks may finish; a second one stops them at once.
    """
    from headrace_services.permits import Permits  # noqa: PLC0415 - quick start
    from headrace_wire.system.memory import count_memory  # noqa: PLC0415 - quick start
    from headrace_worker.process import prepare, work  # noqa: PLC0415 - quick start
    from headrace_worker.settings import WorkerSettings  # noqa: PLC0415 - quick start

    _check_engine(engine, dask_scheduler, ray_address)
    permits = Permits(
        allow,
        allow_pickle,
        path,
        allow_ship,
        roots=tuple(os.path.abspath(root) for root in shared_root),  # noqa: PTH100 - links stay
        max_pixels=max_pixels,
    )
    if isinstance(memory_limit, int) and not LIMITS_MEMORY:
        tell(
            "headrace worker: --memory-limit has no effect: this system refuses no memory to a "
            "process; --max-rss replaces slots that grow"
        )
    if memory_limit == AUTO:
        memory_limit = count_memory()
    _require_readable(permits)
    if unreported is not None and (why := explain_unwritable_folder(unreported)):
        raise UsageError(f"{unreported} cannot be used for --unreported: {why}")
    # The current folder may be removed while it works.
    key_files = tuple(path.absolute() for path in connection.key_files)
    settings = WorkerSettings(
        coordinator=connection.coordinator,
        key_file=key_files[0],
        other_key_files=key_files[1:],
        awaits_key=connection.may_start,
        key_guard=key_guard,
        encryption=connection.encryption,
        slots=slots,
        start_method=start_method,
        name=name,
        drain_seconds=drain,
        give_up_seconds=give_up,
        max_tasks=max_tasks,
        max_rss_bytes=max_rss,
        memory_limit_bytes=memory_limit if isinstance(memory_limit, int) else None,
        permits=permits,
        unreported=unreported,
        log_format=choose_log_format(log_format),
        engine=engine,
        engine_address=dask_scheduler or ray_address,
    )
    # Tasks must not use its key, because each has a token of its job.
    for variable in ("HEADRACE_KEY_FILE", "HEADRACE_DATA"):
        os.environ.pop(variable, None)
    launcher = prepare(start_method, permits, slots) if engine == POOL else None
    work(settings, launcher, log_level)


def _check_engine(engine: str, dask_scheduler: str, ray_address: str) -> None:
    """Refuse options that an engine does not support, and an engine whose library is missing."""
    if dask_scheduler and engine != "dask":
        raise UsageError("--dask-scheduler is for --engine dask")
    if ray_address and engine != "ray":
        raise UsageError("--ray-address is for --engine ray")
    context = click.get_current_context()
    for name, address in (("dask_scheduler", dask_scheduler), ("ray_address", ray_address)):
        is_given = context.get_parameter_source(name) not in {None, ParameterSource.DEFAULT}
        if is_given and not address.strip():  # such as a shell variable that is not set
            word = name.replace("_", "-")
            raise UsageError(
                f"--{word} is empty: give HOST:PORT, or leave it out for a cluster of this machine"
            )
    if dask_scheduler:
        complete_address(dask_scheduler)
    if engine == POOL:
        return
    for name in SLOT_OPTIONS:
        if context.get_parameter_source(name) not in {None, ParameterSource.DEFAULT}:
            word = name.replace("_", "-")
            raise UsageError(
                f"--{word} is for the slots of a worker's own pool: with --engine {engine}, tasks "
                "run in processes that belong to another cluster"
            )
    require_library(engine)


def _require_readable(permits: Permits) -> None:
    """Refuse folders of modules that cannot be read, if any module may be used at all."""
    for folder in permits.paths:
        if not os.access(folder, os.R_OK | os.X_OK):
            trouble = f"{describe_user()} may not read {folder}, where modules are looked for"
            if permits.allows_anything:
                raise UsageError(
                    f"{trouble}: `chmod -R go+rX` that folder, or start the worker as its owner "
                    "(in compose.yaml they are HEADRACE_CODE and HEADRACE_USER)"
                )
            # No advice: the folder may be a whole checkout, whose key nobody else should read.
            tell(f"headrace worker: {trouble}; it goes on, as jobs may use nothing there")
