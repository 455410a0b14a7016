"""Options that several commands have. Each can be set by ``HEADRACE_`` and its name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click
from click.core import ParameterSource
from msgspec import Struct

from headrace.cli.kinds import (
    DURATION,
    NAME,
    TIME_LIMIT,
    AddressKind,
    FlagKind,
    KeyFileKind,
    OutputFileKind,
    PathKind,
    ValueKind,
    WordKind,
)
from headrace.cli.numbers import CountKind
from headrace.data_folder import list_key_files
from headrace_wire.address import DEFAULT_PORT, Address
from headrace_wire.bounds import MAX_PRIORITY, MAX_RETRIES, MIN_PRIORITY
from headrace_wire.encryption import TLS_MODES, Encryption, choose_encryption, is_loopback
from headrace_wire.engines import POOL
from headrace_wire.errors import UsageError
from headrace_wire.log_format import LOG_FORMATS

if TYPE_CHECKING:
    from headrace.submission import SubmitOptions

#: A decorator of click.
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def option(*names: str, **attributes: Any) -> Decorator:
    """Return a click option with its environment variable, named after the first long name."""
    long = next(name for name in names if name.startswith("--"))
    word = long.split("/")[0].removeprefix("--").replace("-", "_").upper()
    attributes.setdefault("envvar", f"HEADRACE_{word}")
    attributes.setdefault("show_envvar", not attributes.get("hidden"))
    if attributes.get("is_flag"):
        attributes.setdefault("type", FlagKind())
    return click.option(*names, **attributes)


def refuse_both(one: str, other: str, instead: str = "") -> None:
    """Raise UsageError if both of two options were given, because ``other`` would have no effect.

    Environment variables do not count, because they are meant for many commands.
    """
    context = click.get_current_context()
    options = [each for each in context.command.params if isinstance(each, click.Option)]
    names = {each.name: each.opts[-1] for each in options}
    sources = {context.get_parameter_source(name) for name in (one, other)}
    if sources == {ParameterSource.COMMANDLINE} and names.keys() >= {one, other}:
        raise UsageError(
            f"{names[one]} leaves nothing for {names[other]} to do: leave one of them out{instead}"
        )


def combine(options: Sequence[Decorator]) -> Decorator:
    """Combine several decorators into one. The options are shown in this order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for one in reversed(options):
            function = one(function)
        return function

    return decorate


def make_output_option(help_text: str) -> Decorator:
    """Return the option for the file that a result is written to."""
    return option(
        "-o",
        "--output",
        type=OutputFileKind(),
        help=f"{help_text} [default: standard output]",
    )


def make_file_option(name: str, help_text: str) -> Decorator:
    """Return an option for a file of certificates or keys."""
    return option(name, type=PathKind(path_type=Path, dir_okay=False), help=help_text)


_connection_options = combine(
    [
        option(
            "--coordinator",
            type=AddressKind(DEFAULT_PORT),
            default=f"127.0.0.1:{DEFAULT_PORT}",
            show_default=True,
            help="Where the coordinator serves its queues; unix:PATH for a Unix socket.",
        ),
        option(
            "--key-file",
            type=KeyFileKind(),
            default=lambda: list_key_files()[0],
            show_default="key in the folder HEADRACE_DATA, or in the user's state folder",
            help="The coordinator's key file, or a copy of it.",
        ),
        option(
            "--tls",
            type=WordKind(TLS_MODES),
            default="auto",
            show_default=True,
            help="Encrypt the connection: if the coordinator does (auto), always, or never.",
        ),
        make_file_option("--tls-cert", "Certificate to show to the coordinator, in PEM."),
        make_file_option("--tls-key", "Its private key, if that is in another file."),
        make_file_option(
            "--tls-ca", "Certificates of the authorities that sign the coordinator's, in PEM."
        ),
    ]
)

overwrite_option = option(
    "--overwrite",
    is_flag=True,
    help="Replace files in the output folder that headrace has not written.",
)


class SlotsKind(ValueKind):
    """A number of slots, which remains text, because its meaning depends on the engine."""

    name = "auto|N|Nx"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from headrace_worker.machine.cores import count_usable_cores, parse_slots  # noqa: PLC0415 - quick start

        try:
            parse_slots(value, count_usable_cores())
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


slots_option = option(
    "--slots",
    type=SlotsKind(),
    metavar="auto|N|Nx",
    default="auto",
    show_default=True,
    help="Number of processes: one for each usable core, a number, or a multiple of the cores.",
)


class ConnectionOptions(Struct, frozen=True):
    """The values of ``connection_options``: where the coordinator is, and how to connect.

    The key is in the first of ``key_files`` that exists. ``may_start`` means that the coordinator
    may just be starting and making its key, in the first of all: it is on this machine, and no key
    was given.
    """

    coordinator: Address
    key_files: tuple[Path, ...]
    encryption: Encryption
    may_start: bool = False

    @classmethod
    def take(cls, values: dict[str, Any]) -> Self:
        """Remove the values of these options from a command's, which keeps the others.

        Raises UsageError.
        """
        files = [values.pop(f"tls_{name}") for name in ("cert", "key", "ca")]
        encryption = choose_encryption(values.pop("tls"), *files)
        coordinator: Address = values.pop("coordinator")
        source = click.get_current_context().get_parameter_source("key_file")
        is_named = source is not ParameterSource.DEFAULT
        others = () if is_named else list_key_files()[1:]
        key_files = (values.pop("key_file"), *others)
        may_start = not is_named and is_loopback(coordinator.host)
        return cls(coordinator, key_files, encryption, may_start)


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every command that connects; it receives them as ``connection``."""

    @functools.wraps(command)
    def call(**values: Any) -> Any:
        return command(connection=ConnectionOptions.take(values), **values)

    return _connection_options(call)


json_option = option("--json", "as_json", is_flag=True, help="Print JSON.")

log_options = combine(
    [
        option(
            "--log-level",
            type=WordKind(["debug", "info", "warning", "error"]),
            default="info",
            show_default=True,
            help="How much to log, on standard error.",
        ),
        option(
            "--log-format",
            type=WordKind(LOG_FORMATS),
            default="auto",
            show_default="text on a terminal, json elsewhere",
            help="How to log: lines of text, or a JSON object on each line.",
        ),
    ]
)

_task_options = [
    option(
        "--name",
        type=NAME,
        default="",
        metavar="TEXT",
        help="A name for the job, which lists show.",
    ),
    option(
        "--priority",
        type=CountKind(MIN_PRIORITY, MAX_PRIORITY),
        default=0,
        show_default=True,
        help="Jobs of higher priority run first.",
    ),
    option(
        "--timeout",
        type=TIME_LIMIT,
        help="Time limit for one task, which is killed when it exceeds the limit.",
    ),
    option(
        "--retries",
        type=CountKind(0, MAX_RETRIES),
        help="How often to try a failed task again. [default: not after an error, twice after "
        "a crash]",
    ),
    option(
        "--retry-delay",
        type=DURATION,
        default="500ms",
        show_default=True,
        help="Pause before the first retry after an error; it doubles with each further one.",
    ),
    option(
        "--deadline", type=TIME_LIMIT, help="Time limit for the job; unfinished tasks are dropped."
    ),
    option(
        "--logs",
        is_flag=True,
        help="Show what tasks print and log on standard error, as it comes.",
    ),
]

_submit_options = [
    connection_options,
    option("--detach", is_flag=True, help="Print the job id at once instead of waiting."),
    option(
        "--wait", type=DURATION, help="Wait at most this long (exit code 124); the job continues."
    ),
]

_run_options = [
    slots_option,
    option(
        "--engine",
        default=POOL,
        show_default=True,
        metavar="pool|dask|ray|dask://HOST:PORT|ray://HOST:PORT",
        help="What runs the tasks: slots on this machine, or another cluster.",
    ),
]


def job_options(*, embedded: bool) -> Decorator:
    """Return the options of every command that makes a job. Read them with ``JobOptions.take``."""
    return combine([*(_run_options if embedded else _submit_options), *_task_options, json_option])


class JobOptions(Struct, frozen=True):
    """The values of ``job_options``. ``connection`` is None for an embedded cluster."""

    as_json: bool
    name: str
    priority: int
    timeout: float | None
    retries: int | None
    retry_delay: float = 0.5
    deadline: float | None = None
    connection: ConnectionOptions | None = None
    detach: bool = False
    logs: bool = False
    wait: float | None = None
    slots: str = "auto"
    engine: str = POOL

    @classmethod
    def take(cls, values: dict[str, Any]) -> Self:
        """Remove the values of these options from a command's, which keeps the others."""
        if "coordinator" in values:  # as click passes them
            values["connection"] = ConnectionOptions.take(values)
        return cls(**{name: values.pop(name) for name in cls.__struct_fields__ if name in values})

    @property
    def for_submit(self) -> SubmitOptions:
        from headrace.submission import SubmitOptions  # noqa: PLC0415 - only clients submit

        return SubmitOptions(
            name=self.name,
            priority=self.priority,
            timeout_seconds=self.timeout,
            retries=self.retries,
            retry_delay_seconds=self.retry_delay,
            deadline_seconds=self.deadline,
        )
