"""Combines the values of a job's calls into its result on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace_services.calls.json_lines import write_array, write_lines
from headrace_services.destination import open_destination
from headrace_services.service import Gathered
from headrace_wire.errors import OutputError, UsageError

if TYPE_CHECKING:
    from headrace_services.service import Parameters, Target


#: The formats in which values can be written.
FORMATS = ("jsonl", "json")


def gather_lines(
    parameters: Parameters, values: Iterator[tuple[int, bytes]], target: Target
) -> Gathered:
    """Write one JSON line for each value, or one JSON array of all.

    Raises OutputError if the target cannot be written, and for pickled values, because only the
    program that requested them may unpickle them.
    """
    if target.format not in (None, *FORMATS):
        raise UsageError(f"values cannot be written as {target.format}: use {' or '.join(FORMATS)}")
    if parameters.get("serializer") != "msgpack":
        raise OutputError("the values are pickled: only the program that submitted it opens them")
    with open_destination(target) as file:
        try:
            written = (write_array if target.format == "json" else write_lines)(values, file)
        except ValueError as error:
            raise OutputError(f"a value cannot be read: {error}") from error
        except RecursionError as error:
            raise OutputError("a value is nested too deep to be written as JSON") from error
    counted = f"{written:,} value" if written == 1 else f"{written:,} values"
    if target.path is None:
        return Gathered(written=f"{counted} to standard output")
    return Gathered(
        result={"values": written, "path": str(target.path)},
        written=f"{counted} to {target.path}",
    )
