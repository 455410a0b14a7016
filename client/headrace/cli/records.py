"""Records on the command line: reads JSON lines or CSV, with one record for each task."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from headrace.cli.standard import open_standard_input
from headrace_services.gmp import from_decimal
from headrace_wire.errors import UsageError
from headrace_wire.open_files import explain_system_error
from headrace_wire.words import count

#: Whole numbers in CSV. With a leading zero it is a code, and stays text.
INTEGER = re.compile(r"-?(0|[1-9]\d*)")

#: The maximum length of a CSV cell in characters. No record could be larger.
_MAX_CELL_CHARACTERS = 2**28

#: How many arrays and objects may be nested in a record.
_MAX_DEPTH = 300

#: Other numbers.
REAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


def read_records(path: Path) -> Iterator[Any]:
    """Read a file's records: CSV if its name ends in ``.csv``, else JSON lines; ``-`` is stdin.

    Rows of CSV become dicts with the names in the first line. Raises UsageError with the line
    number.
    """
    if str(path) == "-":
        with open_standard_input() as file:
            yield from _read_json_lines(file, "standard input")
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() == ".csv":
                yield from _read_rows(file, str(path))
            else:
                yield from _read_json_lines(file, str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {explain_system_error(error)}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None


def count_records(path: Path) -> int:
    """Return about how many records a file has (its lines); 0 if it can be read only once."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    return max(0, lines - (path.suffix.lower() == ".csv"))


def _read_json_lines(file: IO[str], name: str) -> Iterator[Any]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                record = _read_json(line)
            except ValueError as error:
                raise UsageError(f"{name}, line {number}: not JSON ({error})") from None
            except RecursionError:
                raise UsageError(f"{name}, line {number}: nested too deep") from None
            if _is_too_deep(line, record):
                raise UsageError(f"{name}, line {number}: nested too deep")
            yield record


def _is_too_deep(line: str, record: Any) -> bool:
    """Return whether a record is nested so deeply that it could not be written as a result."""
    if line.count("[") + line.count("{") <= _MAX_DEPTH:
        return False
    level: list[Any] = [record]
    for _ in range(_MAX_DEPTH + 1):
        nested: list[Any] = [part for part in level if isinstance(part, list | dict)]
        if not nested:
            return False
        level = []
        for one in nested:
            level += one.values() if isinstance(one, dict) else one
    return True


def _read_json(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer with more digits than Python reads by default
        return json.loads(line, parse_int=from_decimal)


def _read_rows(file: IO[str], name: str) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    reader = csv.reader(file, strict=True)
    try:
        heading = next(reader, None)
        if not heading or len(set(heading)) < len(heading):
            raise UsageError(f"{name}: the first line has to name the columns, each once")
        for row in reader:
            if not row:
                continue  # a blank line, as in csv.DictReader
            if len(row) != len(heading):
                raise UsageError(
                    f"{name}, line {reader.line_num}: {count(len(row), 'column')}, "
                    f"not {len(heading)}"
                )
            yield dict(zip(heading, map(_read_cell, row), strict=True))
    except csv.Error as error:
        raise UsageError(f"{name}, line {reader.line_num}: {error}") from None


def _read_cell(text: str) -> Any:
    """Return a number if the cell contains one, else its text."""
    if INTEGER.fullmatch(text):
        return from_decimal(text)
    if REAL.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
