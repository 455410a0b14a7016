"""What is needed to build a value: the classes that it names, and the bytes of its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct


class ExceptionParts(Struct, frozen=True):
    """An exception in parts that can be sent: its class's name, ``args``, attributes and text.

    ``whole`` means that the arguments are complete; ``lost`` describes what is missing.
    """

    name: str
    args: list[Any]
    state: dict[str, Any]
    text: str
    whole: bool = True
    lost: str = ""


class Classes(Protocol):
    """Makes values of named classes. Any exception means that the value cannot be made."""

    def make_member(self, name: str, member: str | int) -> Any:
        """Return a member of an enum by its name, or by its number for flags."""
        ...

    def make_dataclass(self, name: str, parts: dict[str, Any], others: dict[str, Any]) -> Any:
        """Return an instance of a dataclass with these fields and other attributes."""
        ...

    def make_named_tuple(self, name: str, items: list[Any], others: dict[str, Any]) -> Any:
        """Return a named tuple of these items, with other attributes."""
        ...

    def make_default(self, name: str | None, pairs: dict[Any, Any]) -> Any:
        """Return a defaultdict whose factory has this name."""
        ...

    def make_partial(self, name: str, args: list[Any], kwds: dict[str, Any]) -> Any:
        """Return a functools.partial of the function of this name."""
        ...

    def make_pattern(self, text: str | bytes, flags: int) -> Any:
        """Return a regular expression."""
        ...

    def make_exception(self, parts: ExceptionParts) -> Any:
        """Return an exception."""
        ...

    def make_frame(self, kind: str, body: memoryview, extra: list[Any]) -> Any:
        """Return a frame of pandas or polars, or a table or array of Arrow, from its stream."""
        ...


class Building(Protocol):
    """The building of one value, as seen by code that builds a part of it."""

    @property
    def classes(self) -> Classes:
        """The object that finds classes by name."""
        ...

    def take_buffer(self) -> memoryview:
        """Return the next array's bytes. Each is used once, so that memory use does not exceed the
        data.
        """
        ...

    def check_keys(self, keys: Sequence[Any]) -> Sequence[Any]:
        """Return the keys of a dict or set. Raises ValueError if the keys of this value have so
        many equal hashes that comparing them would take too long.
        """
        ...

    def check_compiled(self, work: int, most: int) -> None:
        """Raise ValueError if compiling this value's regular expressions is more work than
        ``most``.
        """
        ...
