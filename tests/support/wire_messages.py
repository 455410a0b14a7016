"""Messages for the wire's tests, made from the type hints that the wire itself reads."""

from __future__ import annotations

import inspect
import pkgutil
import types
import typing
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from hypothesis import strategies as st
from msgspec import Meta

from headrace_wire import bounds, messages
from headrace_wire.bounds import is_within
from headrace_wire.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

M = TypeVar("M", bound=Message)

#: Every message class there is.
MESSAGES: list[type[Message]] = sorted(
    (
        found
        for module in pkgutil.iter_modules(messages.__path__, f"{messages.__name__}.")
        for _, found in inspect.getmembers(import_module(module.name), inspect.isclass)
        if issubclass(found, Message) and found.__module__ == module.name
    ),
    key=lambda found: found.__name__,
)

_EXAMPLES: dict[object, Any] = {
    str: "né",
    int: 2**40,
    float: 1.5,
    bool: True,
    bytes: b"\x00\xff\x80",
    type(None): None,
}

_STRATEGIES: dict[object, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    type(None): st.none(),
}


def make_example(hint: Any) -> Any:
    """One value of a type, always the same."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return make_bounded_example(*arguments)
    if isinstance(hint, type) and issubclass(hint, Message):
        return hint(*[make_example(one) for one in read_hints(hint).values()])
    if origin in (types.UnionType, typing.Union):
        return make_example(arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return (make_example(arguments[0]),) * 2
    if origin is dict:
        return {make_example(arguments[0]): make_example(arguments[1])}
    return _EXAMPLES[hint]


def make_bounded_example(kind: Any, meta: Meta) -> Any:
    """One value within its bounds, always the same: the first of some candidates."""
    candidates = [make_example(kind), 100, 7, 100.5, "né" * 3, "some-id"]
    return next(
        one for one in candidates if type(one) is type(candidates[0]) and is_within(meta, one)
    )


def make_message(kind: type[M], **replaced: Any) -> M:
    """A message with some fields as a test wants them."""
    values = {name: make_example(hint) for name, hint in read_hints(kind).items()}
    return kind(**{**values, **replaced})


def draw_values(hint: Any) -> st.SearchStrategy[Any]:
    """Every value of a type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return draw_values(arguments[0])
    if isinstance(hint, type) and issubclass(hint, Message):
        return st.builds(hint, *[draw_values(one) for one in read_hints(hint).values()])
    if origin in (types.UnionType, typing.Union):
        return st.one_of([draw_values(one) for one in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(draw_values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(draw_values(arguments[0]), draw_values(arguments[1]), max_size=3)
    return _STRATEGIES[hint]


def read_hints(kind: type[Message]) -> dict[str, Any]:
    """The types of a message's fields, in order."""
    return bounds.read_hints(kind)


def read_methods(api: type) -> dict[str, tuple[list[Any], Any]]:
    """The types of each method's arguments and of its answer."""
    methods: dict[str, tuple[list[Any], Any]] = {}
    for name, function in inspect.getmembers(api, inspect.isfunction):
        if not name.startswith("_"):
            hints = typing.get_type_hints(function, include_extras=True)
            answer = hints.pop("return")
            methods[name] = (list(hints.values()), answer)
    return methods


class ApiDouble:
    """Answers every method of an API with an example, or as ``answers`` says; keeps ``calls``."""

    def __init__(self, api: type) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.answers: dict[str, Callable[..., Any]] = {}
        for name, (_, answer) in read_methods(api).items():
            setattr(self, name, self._make_method(name, make_example(answer)))

    def _make_method(self, name: str, example: Any) -> Callable[..., Any]:
        def method(*arguments: Any) -> Any:
            self.calls.append((name, arguments))
            answer = self.answers.get(name)
            return answer(*arguments) if answer else example

        return method
