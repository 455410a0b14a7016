"""Kinds of values on the command line: addresses, durations, sizes, numbers."""

from __future__ import annotations

import re
from typing import Any

import click

from headrace_wire.address import Address, parse_address
from headrace_wire.errors import UsageError

#: Seconds in each unit of a duration.
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

#: Bytes in each unit of a size.
BYTES = {
    "": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip


class AddressKind(click.ParamType[Any]):
    """HOST:PORT; the port may be left out."""

    name = "HOST:PORT"

    def __init__(self, default_port: int) -> None:
        self._default_port = default_port

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return parse_address(value, self._default_port)
        except UsageError as error:
            self.fail(error.message, param, ctx)


class DurationKind(click.ParamType[Any]):
    """``30s``, ``500ms``, ``2m``; a bare number is seconds. Converted to seconds."""

    name = "DURATION"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", value.strip())
        if not match:
            self.fail(f"{value!r} is not a duration: write 30s, 500ms or 2m", param, ctx)
        return float(match[1]) * SECONDS[match[2] or "s"]


class SizeKind(click.ParamType[Any]):
    """``512MiB``, ``2GB``; a bare number is bytes. Converted to bytes."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|KiB|MiB|GiB)?", value.strip())
        if not match:
            self.fail(f"{value!r} is not a size: write 512MiB or 2GB", param, ctx)
        return int(float(match[1]) * BYTES[match[2] or ""])


class NumberKind(click.ParamType[Any]):
    """A whole number: ``1000``, ``1_000``, ``1e9``, ``10**9``, ``2^64``."""

    name = "NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from headrace_services.primes import parse_number  # noqa: PLC0415 - quick start

        if isinstance(value, int):
            return value
        try:
            return parse_number(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def write_duration(seconds: float) -> str:
    """A whole number of seconds as ``DURATION`` reads it, in the largest unit that fits."""
    unit = next(unit for unit in ("d", "h", "m", "s") if not seconds % SECONDS[unit])
    return f"{seconds / SECONDS[unit]:g}{unit}"


def write_size(count: int) -> str:
    """Bytes as ``SIZE`` reads them, in the largest unit that fits."""
    unit = next(unit for unit in ("GiB", "MiB", "KiB", "B") if not count % BYTES[unit])
    return f"{count // BYTES[unit]}{unit}"


DURATION = DurationKind()
SIZE = SizeKind()
NUMBER = NumberKind()
