"""Values of the standard library: numbers, times, paths, sets and the like."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import PosixPath, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

from headrace_services.calls.encoder import (
    FINDERS,
    TAKERS,
    Taker,
    UntravelableError,
    by_items,
    make_taker,
    secure,
)
from headrace_services.calls.marks import expect

#: Decimals as ``str`` writes them.
_DECIMAL = re.compile(r"-?(\d+(\.\d*)?(E[+-]?\d{1,20})?|Infinity|s?NaN\d*)", re.ASCII)

#: Names in the tz database, and none that lead out of it.
_ZONE = re.compile(r"[A-Za-z][\w+-]*(/[A-Za-z][\w+-]*)*", re.ASCII)


def _load_decimal(items: list[Any]) -> Decimal:
    (text,) = expect(items, str)
    if not _DECIMAL.fullmatch(text):
        raise ValueError("this is no decimal")
    return Decimal(text)


def _dump_date(day: date) -> list[Any]:
    return [day.year, day.month, day.day]


def _dump_time(moment: Any) -> list[Any]:
    zone = moment.tzinfo
    return [moment.hour, moment.minute, moment.second, moment.microsecond, moment.fold, zone]


def _load_time(items: list[Any]) -> time:
    hour, minute, second, micro, fold, zone = expect(items, *[int] * 5, (tzinfo, type(None)))
    return time(hour, minute, second, micro, zone, fold=fold)


def _load_datetime(items: list[Any]) -> datetime:
    day, clock = date(*expect(items[:3], int, int, int)), _load_time(items[3:])
    return datetime.combine(day, clock)


def _load_zone(items: list[Any]) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - few values have a zone by name

    (key,) = expect(items, str)
    if not _ZONE.fullmatch(key):
        raise ValueError("this is no time zone")
    return ZoneInfo(key)


def _load_range(items: list[Any]) -> range:
    return range(*expect(items, int, int, int))


def _load_slice(items: list[Any]) -> slice:
    return slice(*expect(items, object, object, object))


def _dump_zone(zone: Any) -> list[Any]:
    if zone.key is None:
        raise UntravelableError(zone, "it has no name in the tz database")
    return [zone.key]


def _find_zone(kind: type) -> Taker | None:
    zoneinfo = sys.modules.get("zoneinfo")
    return _take_zone if zoneinfo is not None and kind is zoneinfo.ZoneInfo else None


def _dump_integer(number: int) -> list[Any]:
    return [number.to_bytes(number.bit_length() // 8 + 1, signed=True)]


def _load_integer(items: list[Any]) -> int:
    return int.from_bytes(expect(items, bytes)[0], signed=True)


def _dump_set(items: Iterable[Any]) -> list[Any]:
    return secure(list(items))


def _register(
    code: int, kind: type, dump: Callable[[Any], list[Any]], load: Callable[[list[Any]], Any]
) -> None:
    TAKERS[kind] = make_taker(code, dump, by_items(load))


_register(3, int, _dump_integer, _load_integer)
_register(4, complex, lambda number: [number.real, number.imag],
          lambda items: complex(*expect(items, float, float)))  # fmt: skip
_register(5, Decimal, lambda number: [str(number)], _load_decimal)
TAKERS[set] = make_taker(6, _dump_set, lambda items, value: set(value.check_keys(items)))
TAKERS[frozenset] = make_taker(
    7, _dump_set, lambda items, value: frozenset(value.check_keys(items))
)
_register(8, range, lambda r: [r.start, r.stop, r.step], _load_range)
_register(9, date, _dump_date, lambda items: date(*expect(items, int, int, int)))
_register(10, time, _dump_time, _load_time)
_register(11, datetime, lambda at: [*_dump_date(at), *_dump_time(at)], _load_datetime)
_register(12, timedelta, lambda span: [span.days, span.seconds, span.microseconds],
          lambda items: timedelta(*expect(items, int, int, int)))  # fmt: skip
_register(13, timezone, lambda zone: [*zone.__getinitargs__()],
          lambda items: timezone(*expect(items, *(timedelta, str)[: len(items)])))  # fmt: skip
_register(14, UUID, lambda uuid: [uuid.bytes], lambda items: UUID(bytes=expect(items, bytes)[0]))
_register(15, PosixPath, lambda path: [str(path)], lambda items: PosixPath(expect(items, str)[0]))
_register(16, PurePosixPath, lambda path: [str(path)],
          lambda items: PurePosixPath(expect(items, str)[0]))  # fmt: skip
_register(17, PureWindowsPath, lambda path: [str(path)],
          lambda items: PureWindowsPath(expect(items, str)[0]))  # fmt: skip
_register(19, slice, lambda part: secure([part.start, part.stop, part.step]), _load_slice)
_take_zone = make_taker(18, _dump_zone, by_items(_load_zone))
FINDERS.append(_find_zone)
