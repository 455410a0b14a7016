"""Records: classes that are made of fields, as dataclasses are, at the cost of plain classes.

    class Span(Record):          Span(0, stop=9)            as the annotations say, in their order
        start: int               Span(0, 9) == Span(0, 9)   same class, same values
        stop: int = 1            replace(span, stop=5)      another one

A dataclass with slots is made twice and compiles its methods at import: a millisecond each, of
which there would be a hundred, and ``inspect`` in the memory of every process. Here the constructor
alone is compiled, when the first instance is made. Records are frozen unless their class says
otherwise; the type checkers see to that, so that construction is a row of plain assignments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast, dataclass_transform

T = TypeVar("T")
R = TypeVar("R", bound="Record")


class _Factory:
    """Stands for the default of a field of which each instance gets its own."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


def field(*, default_factory: Callable[[], T]) -> T:
    """A field whose default is made anew for each instance."""
    return cast("T", _Factory(default_factory))


class RecordType(type):
    """The class of record classes. Their fields are in ``__fields__``, those of bases first."""

    __fields__: tuple[str, ...]
    __defaults__: dict[str, Any]

    def __new__(
        cls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        frozen: bool = True,
        eq: bool = True,
    ) -> RecordType:
        records = [base for base in bases if isinstance(base, RecordType)]
        inherited = [one for base in records for one in base.__fields__]
        own = list(namespace.get("__annotations__", ()))
        namespace["__defaults__"] = {
            **{one: default for base in records for one, default in base.__defaults__.items()},
            **{one: namespace.pop(one) for one in own if one in namespace},
        }
        namespace["__fields__"] = namespace["__match_args__"] = (*inherited, *own)
        namespace["__slots__"] = tuple(own)
        namespace["__init__"] = _construct_first
        if not eq:
            namespace["__eq__"], namespace["__hash__"] = object.__eq__, object.__hash__
        elif not frozen:
            namespace["__hash__"] = None
        return super().__new__(cls, name, bases, namespace)

    def compile_constructor(cls) -> Callable[..., None]:
        """Write the constructor that a dataclass of these fields would have."""
        parameters = ["self"]
        lines: list[str] = []
        names: dict[str, Any] = {}
        for one in cls.__fields__:
            default = names[f"__{one}"] = cls.__defaults__.get(one, _REQUIRED)
            parameters.append(one if default is _REQUIRED else f"{one}=__{one}")
            value = f"__{one}.make() if {one} is __{one} else {one}"
            lines.append(f"self.{one} = {value if isinstance(default, _Factory) else one}")
        if hasattr(cls, "__post_init__"):
            lines.append("self.__post_init__()")
        source = f"def __init__({', '.join(parameters)}): {'; '.join(lines) or 'pass'}"
        exec(source, names)  # noqa: S102 - made of the names of fields alone
        constructor: Callable[..., None] = names["__init__"]
        constructor.__qualname__ = f"{cls.__qualname__}.__init__"
        return constructor


_REQUIRED: Any = object()


def _construct_first(self: Record, *values: Any, **named: Any) -> None:
    """The constructor of every record class until it has one of its own."""
    kind: Any = type(self)
    kind.__init__ = kind.compile_constructor()
    kind.__init__(self, *values, **named)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Record(metaclass=RecordType):
    """Base of all records; see above. ``__post_init__`` is called where there is one."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record) or type(other) is not type(self):
            return NotImplemented
        return _list_values(self) == _list_values(other)

    def __hash__(self) -> int:
        return hash(tuple(_list_values(self)))

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={value!r}" for name, value in as_dict(self).items())
        return f"{type(self).__qualname__}({parts})"


def replace(record: R, **changes: Any) -> R:
    """Another record, with some fields changed."""
    return type(record)(**{**as_dict(record), **changes})


def as_dict(record: Record) -> dict[str, Any]:
    """The fields by name, with their values as they are."""
    return dict(zip(type(record).__fields__, _list_values(record), strict=True))


def _list_values(record: Record) -> list[Any]:
    return [getattr(record, name) for name in type(record).__fields__]
