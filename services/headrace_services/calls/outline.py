"""Values in outline: to show them, or to write them as JSON, without their classes.

Nothing is imported and no class's own code is run, so this is safe for any value.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from headrace_services.calls.building import ExceptionParts


class Outline(Struct, frozen=True, eq=False):
    """A value of a named class: the class's own name, and its parts by name or in order."""

    kind: str
    parts: dict[str, Any] = field(default_factory=dict[str, Any])
    items: tuple[Any, ...] = ()
    member: str | int | None = None


class FrameOutline(Struct, frozen=True, eq=False):
    """A frame of some library, and its stream."""

    kind: str
    body: memoryview


class OutlineClasses:
    """Makes outlines, whatever class is named."""

    def make_member(self, name: str, member: str | int) -> Outline:
        return Outline(_shorten(name), member=member)

    def make_dataclass(self, name: str, parts: dict[str, Any], others: dict[str, Any]) -> Outline:
        del others
        return Outline(_shorten(name), parts)

    def make_named_tuple(self, name: str, items: list[Any], others: dict[str, Any]) -> Outline:
        del others
        return Outline(_shorten(name), items=tuple(items))

    def make_default(self, name: str | None, pairs: dict[Any, Any]) -> dict[Any, Any]:
        del name
        return pairs

    def make_partial(self, name: str, args: list[Any], kwds: dict[str, Any]) -> Outline:
        return Outline(f"partial {_shorten(name)}", kwds, tuple(args))

    def make_frame(self, kind: str, body: memoryview, extra: list[Any]) -> FrameOutline:
        del extra
        return FrameOutline(kind, body)

    def make_pattern(self, text: str | bytes, flags: int) -> Outline:
        return Outline("Pattern", items=(text, flags))

    def make_exception(self, parts: ExceptionParts) -> Outline:
        return Outline(_shorten(parts.name), items=tuple(parts.args) if parts.whole else ())


OUTLINES = OutlineClasses()


def _shorten(name: str) -> str:
    return name.rpartition(":")[2][:100]
