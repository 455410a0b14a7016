"""``map``: a user's own function with each record of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import click

from headrace.cli.kinds import PathKind
from headrace.cli.options import JobOptions, job_options, make_output_option, option
from headrace.cli.session import carry_out
from headrace_wire.bounds import quote
from headrace_wire.errors import UsageError
from headrace_wire.system.folders import find_present_folder

#: The form of a function's name.
_FUNCTION = re.compile(r"[\w.]+:[\w.]+")

output_option = make_output_option("Write JSON lines to this file.")

star_option = option(
    "--star",
    is_flag=True,
    help="Unpack each record: an array into positional, an object into named arguments.",
)

path_option = option(
    "--path",
    multiple=True,
    metavar="DIR",
    type=PathKind(exists=True, file_okay=False, resolve_path=True),
    help="Search for modules in this folder, too. Repeatable.",
)


ship_option = option(
    "--ship",
    metavar="DIR",
    type=PathKind(path_type=Path, exists=True, file_okay=False),
    help="Send this folder of code along; workers need --allow-ship.",
)


class RecordsKind(PathKind):
    """A file of records, or standard input."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, exists=True, dir_okay=False, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value)
        if _FUNCTION.fullmatch(text) and not Path(text).exists():
            self.fail(f"{quote(text)} is no file: the function comes first", param, ctx)
        return super().convert(value, param, ctx)


def make_map_command(*, embedded: bool) -> click.Command:
    """Make the command for ``run`` (embedded) or ``submit``."""

    @click.command("map")
    @click.argument("function", metavar="MODULE:FUNCTION")
    @click.argument(
        "records",
        metavar="RECORDS",
        type=RecordsKind(),
    )
    @output_option
    @star_option
    @(path_option if embedded else ship_option)
    @job_options(embedded=embedded)
    def map_records(
        function: str, records: Path, output: Path | None, star: bool, **rest: Any
    ) -> None:
        """Call your own function with each record of a file.

        RECORDS contains JSON lines, or, if its name ends in .csv, rows under a line of names; -
        reads JSON lines from standard input. Each record is the function's only argument, unless
        --star unpacks it. Results are JSON lines {"index": 0, "value": ...}, in the order of the
        records. On a cluster, workers must allow the function: headrace worker --allow MODULE.
        """
        from headrace.cli.records import count_records, read_records  # noqa: PLC0415 - quick start
        from headrace_services.calls import CallOptions, plan_calls  # noqa: PLC0415 - quick start
        from headrace_services.calls.shipment import pack_folder  # noqa: PLC0415 - quick start

        _refuse_file(function)
        import_path, ship = rest.pop("path", ()), rest.pop("ship", None)
        here = find_present_folder()
        places = import_path if here is None else (*import_path, here)
        call_options = CallOptions(ship=pack_folder(ship) if ship else b"", command=True)
        options = JobOptions.take(rest)
        given = read_records(records)
        if embedded:
            given = _check_first(given, function, places)
        calls = _spread(given, star=star)
        plan = plan_calls(function, calls, count_records(records), call_options)
        carry_out("calls", plan, options, output, "jsonl", import_path=places)

    return map_records


def _check_first(records: Iterator[Any], function: str, places: Sequence[str]) -> Iterator[Any]:
    """Yield the same records, but check that the module exists before the first one is sent."""
    for number, record in enumerate(records):
        if not number:
            _require_module(function, places)
        yield record


def _require_module(function: str, places: Sequence[str]) -> None:
    """Raise UsageError if no module of that name can be found on this machine."""
    top = function.partition(":")[0].partition(".")[0]
    if not top.isidentifier() or PathFinder.find_spec(top, [*places]):
        return  # the function that plans the job reports invalid names
    if find_spec(top) is None:
        near = [name for _, name, _ in iter_modules(places)]
        meant = get_close_matches(top, near, 1)
        asked = f"; did you mean {meant[0]!r}?" if meant else ""
        raise UsageError(f"there is no module {top!r} here: name its folder with --path{asked}")


def _refuse_file(function: str) -> None:
    """Tell users who have given the file of a module what to write instead."""
    file, _, name = function.partition(":")
    if file.endswith(".py") and name:
        written = f"{Path(file).stem}:{name}"
        raise UsageError(f"{quote(function)} names a file: write its module's name, {written!r}")


def _spread(records: Iterator[Any], *, star: bool) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the positional and named arguments of each call."""
    for number, record in enumerate(records, 1):
        parts: Any = record
        if not star:
            yield (record,), {}
        elif isinstance(record, list):
            yield tuple(parts), {}
        elif isinstance(record, dict):
            yield (), parts
        else:
            raise UsageError(f"record {number}: --star takes arrays and objects, not {record!r}")
