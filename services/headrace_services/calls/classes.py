"""Values of the user's own classes: enum members, dataclasses, named tuples, exceptions.

They are sent as the name of their class and their parts; ``rebuilding`` assembles them again.
"""

from __future__ import annotations

import enum
from typing import Any

from headrace_services.calls.building import Building, ExceptionParts
from headrace_services.calls.encoder import (
    ADVICE,
    FINDERS,
    Encoder,
    Taker,
    UntravelableError,
    secure,
)
from headrace_services.calls.marks import Mark, expect
from headrace_services.calls.named import (
    find_loaded,
    list_fields,
    list_other_attributes,
    name_object,
)

#: What to do about a class that the other side could not find.
_ADVICE = f"move the class to a module that workers can import, or {ADVICE}"


#: Attributes that Python's own exceptions store besides their arguments, outside of ``__dict__``.
_BESIDE: dict[type[BaseException], tuple[str, ...]] = {
    ImportError: ("name", "path"),
    NameError: ("name",),
    AttributeError: ("name",),
}


def take_apart(error: BaseException) -> ExceptionParts:
    """Take an exception apart, without checking whether its parts can be sent."""
    try:
        text = str(error)
    except BaseException as second:  # noqa: BLE001 - the user's own __str__ may raise anything
        text = f"its text cannot be made: {type(second).__name__}"
    args = list(error.args)
    if isinstance(error, OSError) and len(args) == 2 and error.filename is not None:
        # It stores the file's name separately from its arguments.
        args.append(error.filename)
        if error.filename2 is not None:
            args += [None, error.filename2]
    state = dict(vars(error))
    for kind, names in _BESIDE.items():
        if isinstance(error, kind):
            beside = {name: getattr(kind, name).__get__(error) for name in names}
            state.update((name, value) for name, value in beside.items() if value is not None)
    return ExceptionParts(name_object(type(error)), args, state, text)


def _take_parts(parts: ExceptionParts, encoder: Encoder) -> list[Any]:
    del encoder
    about = secure([parts.args, parts.state])
    return [_EXCEPTION.sign, parts.name, *about, parts.text, parts.whole, parts.lost]


def _take_exception(error: BaseException, encoder: Encoder) -> list[Any]:
    return _take_parts(take_apart(error), encoder)


def _find(kind: type[Any]) -> Taker | None:
    if kind is ExceptionParts:
        return _take_parts
    if issubclass(kind, BaseException):
        return _take_exception
    if issubclass(kind, enum.Enum):
        return _refuse(kind) or _take_members(kind)
    if "__dataclass_fields__" in vars(kind):
        return _refuse(kind) or _take_instances(kind)
    if hasattr(kind, "_fields") and tuple in kind.__mro__:
        return _refuse(kind) or _take_named_tuples(kind)
    return None


def _take_members(kind: type[enum.Enum]) -> Taker:
    sign, name, flags = _MEMBER.sign, name_object(kind), issubclass(kind, enum.Flag)
    return lambda member, _: [sign, name, member.value if flags else member.name]


def _take_instances(kind: Any) -> Taker:
    sign, name = _DATACLASS.sign, name_object(kind)
    names = list_fields(kind)
    known = frozenset(names)

    def take(value: Any, encoder: Encoder) -> list[Any]:
        del encoder
        try:
            parts = [getattr(value, one) for one in names]
        except AttributeError as error:
            raise UntravelableError(value, f"a field has no value: {error}") from None
        others = _take_others(value, known)
        return [sign, name, names, list(others), *secure([*parts, *others.values()])]

    return take


def _take_named_tuples(kind: type) -> Taker:
    sign, name = _NAMED_TUPLE.sign, name_object(kind)

    def take(value: Any, encoder: Encoder) -> list[Any]:
        del encoder
        others = _take_others(value, frozenset())
        return [sign, name, list(others), *secure([*value, *others.values()])]

    return take


def _take_others(value: Any, known: frozenset[str]) -> dict[str, Any]:
    others = list_other_attributes(value, known)
    if not all(type(name) is str for name in others):
        raise UntravelableError(value, "an attribute of it has no name")
    return others


def _refuse(kind: type) -> Taker | None:
    """Refuse values of a class that cannot be found or built on the other side."""
    name = name_object(kind)
    if kind.__module__ == "__main__":
        problem = "its class is defined in __main__, which workers cannot import"
    elif "<locals>" in name:
        problem = "its class is defined inside a function"
    elif find_loaded(kind.__module__, kind.__qualname__) is not kind:
        problem = f"its class is not to be found as {name}"
    elif "__dataclass_fields__" in vars(kind) and kind.__new__ is not object.__new__:
        problem = "its class is more than a dataclass"
    else:
        return None

    def refuse(value: object, encoder: Encoder) -> list[Any]:
        del encoder
        raise UntravelableError(value, f"{problem}; {_ADVICE}")

    return refuse


def _build_member(items: list[Any], building: Building) -> Any:
    return building.classes.make_member(*expect(items, str, (str, int)))


def _build_dataclass(items: list[Any], building: Building) -> Any:
    name, names, others, *parts = items
    expect([name, names, others], str, list, list)
    fields = dict(zip(names, parts[: len(names)], strict=True))
    return building.classes.make_dataclass(name, fields, _name_others(others, parts[len(names) :]))


def _build_named_tuple(items: list[Any], building: Building) -> Any:
    name, others, *parts = items
    expect([name, others], str, list)
    count = len(parts) - len(others)
    return building.classes.make_named_tuple(
        name, parts[:count], _name_others(others, parts[count:])
    )


def _name_others(names: list[Any], parts: list[Any]) -> dict[str, Any]:
    if not all(type(name) is str for name in names):
        raise ValueError("an attribute has no name")
    return dict(zip(names, parts, strict=True))


def _build_exception(items: list[Any], building: Building) -> Any:
    name, args, state, text, whole, lost = expect(items, str, list, dict, str, bool, str)
    if not all(isinstance(key, str) for key in state):
        raise ValueError("an attribute of an exception has no name")
    return building.classes.make_exception(ExceptionParts(name, args, state, text, whole, lost))


_MEMBER = Mark(48, _build_member)
_DATACLASS = Mark(49, _build_dataclass)
_NAMED_TUPLE = Mark(50, _build_named_tuple)
_EXCEPTION = Mark(51, _build_exception)
FINDERS.append(_find)
