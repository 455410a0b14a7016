"""A user's module: functions that are called, and classes of values that travel."""

from __future__ import annotations

import enum
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from os import getcwd as foreign  # noqa: F401 - what a module imports is not its own
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn

ran: list[str] = []
config: list[Any] = []


class Colour(enum.Enum):
    RED = "r"
    CRIMSON = "r"  # noqa: PIE796 - an alias
    BLUE = "b"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Right(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Point:
    x: Any
    y: Any = 0

    def __post_init__(self) -> None:
        ran.append("post_init")


@dataclass(frozen=True, slots=True)
class Parcel:
    weight_kg: Any
    labels: tuple[str, ...] = ()
    track: Any = field(default=None, compare=False)


class Pair(NamedTuple):
    left: Any
    right: Any


class OutOfStockError(Exception):
    def __init__(self, item: str, missing: int) -> None:
        super().__init__(f"{missing} of {item} are missing")
        self.item = item
        self.missing = missing
        ran.append("init")


class BareError(Exception):
    """Its arguments are not those of its base class."""

    def __init__(self, *, code: int) -> None:
        self.code = code

    def __str__(self) -> str:
        return f"code {self.code}"


class Shelf:
    def method(self) -> int:
        return 1

    @staticmethod
    def count(items: list[Any]) -> int:
        return len(items)

    @classmethod
    def label(cls, text: str) -> str:
        return f"{cls.__name__} {text}"


def double(value: Any) -> Any:
    return value * 2


def echo(value: Any) -> Any:
    return value


def add(left: Any, right: Any = 0) -> Any:
    return left + right


def order(item: str, missing: int) -> NoReturn:
    raise OutOfStockError(item, missing)


def divide(value: int) -> float:
    return 1 / value


def leave(status: int) -> NoReturn:
    raise SystemExit(status)


def make_closure() -> Callable[[], int]:
    return lambda: 1


def make_inner() -> Callable[[], int]:
    def inner() -> int:
        return 1

    return inner


def make_stranger(_: object) -> object:
    return {"a": [1, SimpleNamespace()]}


def configure(value: Any) -> None:
    config.append(value)


def tell_config(_: object) -> list[Any]:
    return [os.getpid(), list(config)]


doubled = functools.partial(double, 4)
alias = os.system
