"""What building a value again needs: the classes that it names, and the bytes of its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct


class ExceptionParts(Struct, frozen=True):
    """An exception in parts that can travel: its class's name, ``args``, attributes and text.

    ``whole`` tells whether the arguments are all there; ``lost`` says in words what is not.
    """

    name: str
    args: list[Any]
    state: dict[str, Any]
    text: str
    whole: bool = True
    lost: str = ""


class Classes(Protocol):
    """Makes values of named classes. Whatever it raises means that this one cannot be made."""

    def make_member(self, name: str, member: str | int) -> Any:
        """A member of an enum by its name, or by its number for flags."""
        ...

    def make_dataclass(self, name: str, parts: dict[str, Any], others: dict[str, Any]) -> Any:
        """An instance of a dataclass with these fields and other attributes."""
        ...

    def make_named_tuple(self, name: str, items: list[Any], others: dict[str, Any]) -> Any:
        """A named tuple of these items, with other attributes."""
        ...

    def make_default(self, name: str | None, pairs: dict[Any, Any]) -> Any:
        """A defaultdict whose factory has this name."""
        ...

    def make_partial(self, name: str, args: list[Any], kwds: dict[str, Any]) -> Any:
        """A functools.partial of the function of this name."""
        ...

    def make_pattern(self, text: str | bytes, flags: int) -> Any:
        """A regular expression."""
        ...

    def make_exception(self, parts: ExceptionParts) -> Any:
        """An exception."""
        ...

    def make_frame(self, kind: str, body: memoryview, extra: list[Any]) -> Any:
        """A frame of pandas or polars, or a table or array of Arrow, from its stream."""
        ...


class Building(Protocol):
    """The building of one value, as code that builds a part of it sees it."""

    @property
    def classes(self) -> Classes:
        """What finds classes by name."""
        ...

    def take_buffer(self) -> memoryview:
        """The next array's bytes: each is used once, so memory does not outgrow what arrived."""
        ...

    def check_keys(self, keys: Sequence[Any]) -> Sequence[Any]:
        """Return the keys of a dict or set. Raises ValueError where those of this value are made
        to take for ever.
        """
        ...
