"""Types of values on the command line: addresses, durations, sizes, numbers."""

from __future__ import annotations

import datetime as dt
import os
import re
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import click
from click.core import ParameterSource
from msgspec import Meta

from headrace.cli.outputs import explain_unwritable_file
from headrace_wire.address import Address, parse_address
from headrace_wire.bounds import (
    MAX_MOMENT,
    MAX_NAME_CHARACTERS,
    MAX_SECONDS,
    LeaseTime,
    MemoryLimit,
    Name,
    OptionalIdentifier,
    OptionalLabel,
    Seconds,
    SizeLimit,
    TimeLimit,
    check_value,
    describe,
    find_range,
    is_within,
    quote,
)
from headrace_wire.errors import UsageError
from headrace_wire.permissions import explain_denied, explain_error
from headrace_wire.system.folders import NO_PRESENT_FOLDER, is_lost

# It is generic since click 8.4, and only type checkers need this.
if TYPE_CHECKING:
    ValueKind = click.ParamType[Any]
    ChoiceKind = click.Choice[str]
else:
    ValueKind, ChoiceKind = click.ParamType, click.Choice

#: How many seconds each unit of a duration has.
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

#: The year in which Unix time begins.
EPOCH_YEAR = 1970

#: The words for a limit that is determined automatically, and for none.
AUTO, NONE = "auto", "none"

#: The sources of values that somebody has written. An empty variable counts as not set.
WRITTEN = {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}

#: Other common names for the format of lines of text.
TEXT_ALIASES = {"txt": "text"}

#: How many bytes each unit of a size has.
BYTES = {
    "": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip


#: The same, by units in lower case, because nobody means bits.
_BYTES_BY_WORD = {unit.lower(): count for unit, count in BYTES.items()}


class AddressKind(ValueKind):
    """HOST:PORT, where the port may be left out; or unix:PATH, where that is accepted."""

    name = "HOST:PORT"

    def __init__(self, default_port: int, *, unix: bool = True) -> None:
        self._default_port = default_port
        self._unix = unix

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        if isinstance(value, Address):
            return value
        try:
            address = parse_address(value, self._default_port)
            if address.is_unix and not self._unix:
                self.fail(f"{value!r} is a Unix socket: write HOST:PORT", param, ctx)
            return address
        except UsageError as error:
            self.fail(error.message, param, ctx)


class PathKind(click.Path):
    """A path. An empty one is refused, because it means that a shell variable was not set.

    A relative path is also refused if the current folder was removed. So is a path that may not be
    examined or, if ``readable``, may not be read.
    """

    def __init__(self, *, readable: bool = True, **attributes: Any) -> None:
        super().__init__(readable=False, **attributes)  # this is reported below, with advice
        self._is_read = readable

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value):
            self.fail("'' is no path", param, ctx)
        if os.fspath(value) != "-" and is_lost(value):
            self.fail(f"{quote(value)} cannot be found: {NO_PRESENT_FOLDER}", param, ctx)
        if why := self.explain_denied(value):
            use = "read" if self._is_read else "used"
            self.fail(f"{quote(str(value))} cannot be {use}: {why}", param, ctx)
        if not self.file_okay and os.path.exists(value) and not os.path.isdir(value):  # noqa: PTH110, PTH112 - it may be bytes
            self.fail(f"{quote(str(value))} is not a folder", param, ctx)
        return super().convert(value, param, ctx)

    def explain_denied(self, path: Any) -> str:
        """Return why a path may not be used; "" if it may."""
        try:
            os.lstat(path)
        except PermissionError as error:
            return explain_error(error, path)
        except (OSError, ValueError):
            return ""  # it may be made later, otherwise click reports that it does not exist
        return explain_denied(path) if self._is_read else ""


class KeyFileKind(PathKind):
    """The file of a key. The function that reads it reports errors, with its own exit code."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def explain_denied(self, path: Any) -> str:
        """Return "", because the function that reads the key reports errors."""
        del path
        return ""


class OutputFileKind(PathKind):
    """A file for a result. If it cannot be written, it is refused before the job starts."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if why := explain_unwritable_file(path):
            self.fail(f"{quote(value)} cannot be written: {why}", param, ctx)
        return path


class BoundedKind(ValueKind):
    """A type of values with bounds, which are defined in ``headrace_wire.bounds``."""

    def __init__(self, bounds: Any) -> None:
        self._kind, self._meta = get_args(bounds)

    def check(
        self, value: Any, shown: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return a value that is within its bounds; else report a usage error that quotes it."""
        if not is_within(self._meta, value):
            may_be = self.describe(self._meta)
            wrong = "is not allowed" if self._kind is str else "is out of range"
            if isinstance(shown, str) and len(shown) > MAX_NAME_CHARACTERS:
                wrong = "are too many"
            self.fail(f"{quote(shown)} {wrong}: give {may_be}", param, ctx)
        return value

    def describe(self, meta: Meta) -> str:
        """Return the permitted values in words."""
        return describe(meta, self._kind)


class DurationKind(BoundedKind):
    """``500ms``, ``30s``, ``2m``, ``1h``, ``7d``; a bare number is seconds. Returns seconds."""

    name = "DURATION"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        seconds = read_duration(value)
        if seconds is None:
            wanted = "write 30s, 500ms, 2m, 1h or 7d"
            self.fail(f"{quote(value)} is not a duration: {wanted}", param, ctx)
        return cast("float", self.check(seconds, value, param, ctx))

    def describe(self, meta: Meta) -> str:
        low, high = find_range(meta)
        least = f"{low * 1000:g}ms" if 0 < low < 1 else f"{low:g}s"
        return f"{least} to {high / SECONDS['d']:g}d"


class SinceKind(ValueKind):
    """A time in the past: how long ago, or an ISO 8601 time. Returns Unix seconds."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", value):
            try:
                moment = dt.datetime.fromisoformat(value)
            except ValueError:
                self.fail(f"{quote(value)} is no time: write 2026-11-20T08:00", param, ctx)
            try:
                return max(0.0, moment.timestamp())
            except (ValueError, OverflowError, OSError):  # OSError is raised on Windows
                return 0.0 if moment.year < EPOCH_YEAR else MAX_MOMENT
        seconds = read_duration(value)
        if seconds is None:
            wanted = "write 2h for two hours ago, or 2026-11-20T08:00 (units are s, m, h and d)"
            self.fail(f"{quote(value)} is no time: {wanted}", param, ctx)
        if seconds > MAX_SECONDS:
            longest = write_duration(MAX_SECONDS)
            self.fail(f"{quote(value)} is too long ago: give {longest} at most", param, ctx)
        return max(0.0, time.time() - seconds)


class SizeKind(BoundedKind):
    """``512MiB``, ``2GB``; a bare number is bytes. Returns bytes."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", value.strip().lower())
        unit = match and _BYTES_BY_WORD.get(match[2])
        if not match or not unit:
            self.fail(f"{quote(value)} is not a size: write 512MiB or 2GB", param, ctx)
        size = min(float(match[1]) * unit, sys.float_info.max)
        return cast("int", self.check(int(size), value, param, ctx))

    def describe(self, meta: Meta) -> str:
        low, high = find_range(meta)
        return f"{_format_size(low)} to {_format_size(high)}"


def _format_size(size_bytes: float) -> str:
    unit = next((unit for unit in ("GiB", "MiB", "KiB") if size_bytes >= BYTES[unit]), "B")
    return f"{size_bytes / BYTES[unit]:.10g}{unit}"


class AutoSizeKind(SizeKind):
    """A size, or a word: ``auto`` for an automatic one, ``none`` for no limit."""

    name = "SIZE|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        word = value.strip().lower() if isinstance(value, str) else value
        return word if word in (AUTO, NONE) else super().convert(value, param, ctx)


class NameKind(BoundedKind):
    """A name for people, or a label."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        _refuse_empty(self, value, param, ctx)
        return cast("str", self.check(value, value, param, ctx))


class WordKind(ChoiceKind):
    """One of these words, in any case."""

    def __init__(self, words: Iterable[str]) -> None:
        super().__init__(list(words), case_sensitive=False)


class FormatKind(WordKind):
    """The name of a format, in any case. ``aliases`` are other names for it."""

    def __init__(self, words: Iterable[str], aliases: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self._aliases = aliases or {}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        word = read_format(str(value))
        return super().convert(self._aliases.get(word, word), param, ctx)


class AnyFormatKind(ValueKind):
    """The name of a format, in any case, if the service is not known yet."""

    name = "FORMAT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        _refuse_empty(self, value, param, ctx)
        word = read_format(str(value))
        return TEXT_ALIASES.get(word, word)


class IdentifierKind(ValueKind):
    """The name of a service."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        _refuse_empty(self, value, param, ctx)
        try:
            return str(check_value(OptionalIdentifier, value, "a service's name"))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class FlagKind(click.types.BoolParamType):
    """Whether a flag is set; only its environment variable has a value."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        is_set = self.str_to_bool(value)
        if is_set is None:
            self.fail(f"{quote(value)} is neither yes nor no: write 1 or 0", param, ctx)
        return is_set


def _refuse_empty(
    kind: ValueKind, value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    """Refuse an empty value that was given, for example by a shell variable that is not set.

    A default may be empty.
    """
    is_written = ctx and param and ctx.get_parameter_source(param.name or "") in WRITTEN
    if is_written and not str(value).strip():
        kind.fail("the value is empty: leave the option out instead", param, ctx)


def read_duration(text: str) -> float | None:
    """Return a duration in the form of ``DURATION`` as seconds; None for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)?", text.strip().lower())
    return float(match[1]) * SECONDS[match[2] or "s"] if match else None


def read_format(text: str) -> str:
    """Return the name of a format, which may be written like the suffix of a file."""
    return text.strip().lower().removeprefix(".")


def write_duration(seconds: float) -> str:
    """Return whole seconds in the form of ``DURATION``, in the largest unit that fits."""
    unit = next(unit for unit in ("d", "h", "m", "s") if not seconds % SECONDS[unit])
    return f"{seconds / SECONDS[unit]:g}{unit}"


def write_size(count: int) -> str:
    """Return a number of bytes in the form of ``SIZE``, in the largest unit that fits."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "B") if not count % BYTES[unit])
    return f"{count // BYTES[unit]}{unit}"


DURATION = DurationKind(Seconds)
TIME_LIMIT = DurationKind(TimeLimit)
LEASE_TIME = DurationKind(LeaseTime)
SIZE = SizeKind(SizeLimit)
AUTO_SIZE = AutoSizeKind(MemoryLimit)
NAME = NameKind(Name)
LABEL = NameKind(OptionalLabel)
SINCE = SinceKind()
SERVICE = IdentifierKind()
ANY_FORMAT = AnyFormatKind()
