"""The settings of a worker, validated once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct, field

from headrace_services.permits import Permits
from headrace_wire.address import Address
from headrace_wire.bounds import (
    CountLimit,
    MemoryLimit,
    OptionalLabel,
    Seconds,
    SizeLimit,
    check_fields,
)
from headrace_wire.encryption import AUTOMATIC, Encryption
from headrace_wire.engines import POOL
from headrace_wire.log_format import LogFormat
from headrace_worker.launch.start_methods import DEFAULT_METHOD
from headrace_worker.link.program import Program

#: Whether tasks are kept from reading the key: if possible, always (or the worker does not start),
#: or never.
GuardMode = Literal["auto", "required", "off"]

#: All values, for options.
GUARD_MODES: tuple[GuardMode, ...] = get_args(GuardMode)

#: How many seconds running tasks have to finish when the worker is told to stop.
DEFAULT_DRAIN_SECONDS = 30.0

#: How many seconds the last report may take when the worker stops.
DEFAULT_FAREWELL_SECONDS = 10.0

#: How many seconds a worker tries to reach a coordinator that is away.
DEFAULT_GIVE_UP_SECONDS = 600.0


class WorkerSettings(Struct, frozen=True):
    """The settings of a worker.

    - ``slots`` is ``auto``, a number, or a multiple of the cores such as ``2x``.
    - ``max_tasks`` and ``max_rss_bytes`` recycle a slot; None for never. A slot cannot allocate
      more than ``memory_limit_bytes``.
    - What tasks print goes to the log, which has ``log_format``. With ``task_stdout`` it goes to
      the standard output and error of the worker.
    - If ``name`` is "", it is made from the host's name and the process number.
    - ``permits`` is what jobs may use here.
    - ``unreported`` is a folder for outcomes that cannot be reported before the worker stops; the
      next worker reports them.
    - ``program`` is the program that started an embedded worker.
    - If ``key_file`` does not exist, the key is in the first of ``other_key_files`` that does.
    - ``awaits_key`` means that a coordinator on this machine makes ``key_file``, and may only be
      starting.
    - ``key_guard`` says whether tasks are to be kept from reading the key.
    - ``engine`` runs the tasks: see ``engines.registry``. It uses the cluster at
      ``engine_address``, or starts one here, which may write to ``engine_folder``.
    """

    coordinator: Address
    key_file: Path
    encryption: Encryption = AUTOMATIC
    other_key_files: tuple[Path, ...] = ()
    awaits_key: bool = False
    key_guard: GuardMode = "auto"
    slots: str = "auto"
    start_method: str = DEFAULT_METHOD
    name: OptionalLabel = ""
    drain_seconds: Seconds = DEFAULT_DRAIN_SECONDS
    farewell_seconds: Seconds = DEFAULT_FAREWELL_SECONDS
    give_up_seconds: Seconds = DEFAULT_GIVE_UP_SECONDS
    max_tasks: CountLimit | None = None
    max_rss_bytes: SizeLimit | None = None
    memory_limit_bytes: MemoryLimit | None = None
    task_stdout: bool = False
    log_format: LogFormat = "text"
    permits: Permits = field(default_factory=Permits)
    unreported: Path | None = None
    program: Program | None = None
    engine: str = POOL
    engine_address: str = ""
    engine_folder: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
