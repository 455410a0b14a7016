"""Records on the command line: JSON lines or CSV in, one record for each task."""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from headrace_wire.errors import UsageError

#: Whole numbers as CSV writes them; with a leading zero it is a code, and stays text.
INTEGER = re.compile(r"-?(0|[1-9]\d*)")

#: Other numbers.
REAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


def read_records(path: Path) -> Iterator[Any]:
    """The records of a file, by its name's end ``.csv`` or else as JSON lines; ``-`` is stdin.

    Rows of CSV are dicts by the names in the first line. Raises UsageError with the line.
    """
    if str(path) == "-":
        yield from _read_json_lines(sys.stdin, "standard input")
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() == ".csv":
                yield from _read_rows(file, str(path))
            else:
                yield from _read_json_lines(file, str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from None


def count_records(path: Path) -> int:
    """About how many records a file has: its lines; 0 for what can be read only once."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    return max(0, lines - (path.suffix.lower() == ".csv"))


def _read_json_lines(file: IO[str], name: str) -> Iterator[Any]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise UsageError(f"{name}, line {number}: not JSON ({error})") from None


def _read_rows(file: IO[str], name: str) -> Iterator[dict[str, Any]]:
    reader = csv.reader(file, strict=True)
    try:
        heading = next(reader, None)
        if not heading or len(set(heading)) < len(heading):
            raise UsageError(f"{name}: the first line has to name the columns, each once")
        for row in reader:
            if len(row) != len(heading):
                raise UsageError(
                    f"{name}, line {reader.line_num}: {len(row)} columns, not {len(heading)}"
                )
            yield dict(zip(heading, map(_read_cell, row), strict=True))
    except csv.Error as error:
        raise UsageError(f"{name}, line {reader.line_num}: {error}") from None


def _read_cell(text: str) -> Any:
    """Numbers as numbers, all else as text."""
    if INTEGER.fullmatch(text):
        return int(text) if len(text) < 4000 else text
    if REAL.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
