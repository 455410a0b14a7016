"""Finds where in a value something is that cannot be sent, in Python's syntax:
``['a'][3].name``.
"""

from __future__ import annotations

import reprlib
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, defaultdict, deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from headrace_services.calls.encoder import ADVICE
from headrace_services.calls.named import list_fields, list_other_attributes
from headrace_wire.words import add_article

#: What is packed: names for people, each with its value.
Roots = Iterable[tuple[str, object]]


def explain_culprit(roots: Roots, culprit: object, reason: str, advice: str = ADVICE) -> str:
    """Describe where the culprit is, what it is, why it cannot be sent, and what to do about it."""
    kind = type(culprit)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    why = f": {reason}" if reason else f"; {ADVICE}"
    place = next((path.name(step) for path, step, value in _walk(roots) if value is culprit), "")
    return f"{place or 'a value'}: {add_article(name)} cannot travel{why.replace(ADVICE, advice)}"


def explain_nesting(roots: Roots, otherwise: str) -> str:
    """Describe where a value contains itself, or that it is nested too deeply."""
    deepest, deepest_label = 0, ""
    for path, step, value in _walk(roots):
        if id(value) in path.outer:
            return f"{path.name(step)}: a value that contains itself cannot travel"
        if len(path.outer) > deepest:
            deepest, deepest_label = len(path.outer), path.label
    if deepest < _DEEP:
        return f"{next(iter(roots))[0]} cannot travel: {otherwise}"
    return f"{deepest_label}: nested {deepest} deep, too deep to travel"


#: Nesting that may be too deep for msgpack, which decides.
_DEEP = 200


class _Path:
    """The path from a root to the present position of a walk: the enclosing values, and the steps
    to them.

    A place is only described if it is asked for, because describing each value would take time
    proportional to its depth.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.outer: dict[int, object] = {}
        self.steps: list[str] = []

    def name(self, step: str) -> str:
        """Return the name of the place one step further, or of the root without a step."""
        steps = "".join([*self.steps, step]).lstrip()
        return f"{self.label}, {steps}" if steps else self.label


def _walk(roots: Roots) -> Iterator[tuple[_Path, str, Any]]:
    """Iterate over all values with the path to them and the last step. Each value is entered
    once.
    """
    entered: set[int] = set()
    for label, root in roots:
        path = _Path(label)
        yield path, "", root
        stack = [_list_parts(root)]
        path.outer[id(root)] = root
        entered.add(id(root))
        while stack:
            step, part = next(stack[-1], ("", _END))
            if part is _END:
                stack.pop()
                path.outer.popitem()
                if path.steps:
                    path.steps.pop()
                continue
            yield path, step, part
            if id(part) not in entered:
                entered.add(id(part))
                stack.append(_list_parts(part))
                path.outer[id(part)] = part
                path.steps.append(step)


_END: Any = object()

_DICTS = (dict, Counter, OrderedDict, defaultdict, UserDict)
_SEQUENCES = (list, tuple, deque, UserList)


def _list_parts(value: Any) -> Iterator[tuple[str, Any]]:
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType] - of Any
    if kind in _DICTS:
        for key, item in value.items():
            yield f" key {reprlib.repr(key)}", key
            yield f"[{reprlib.repr(key)}]", item
    elif kind in _SEQUENCES:
        for index, item in enumerate(value):
            yield f"[{index}]", item
    elif kind is ChainMap:
        yield from ((f".maps[{place}]", part) for place, part in enumerate(value.maps))
    elif kind is set or kind is frozenset:
        for item in value:
            yield f" item {reprlib.repr(item)}", item
    elif kind is partial:
        yield from ((f".args[{place}]", part) for place, part in enumerate(value.args))
        yield from ((f".keywords[{name!r}]", part) for name, part in value.keywords.items())
    elif kind is slice:
        yield from ((f".{name}", getattr(value, name)) for name in ("start", "stop", "step"))
    elif isinstance(value, BaseException):
        yield ".args", value.args
        yield from ((f".{name}", part) for name, part in vars(value).items())
    elif "_fields" in vars(kind) or hasattr(kind, "__dataclass_fields__"):
        names = getattr(kind, "_fields", None) or list_fields(kind)
        yield from ((f".{name}", getattr(value, name, None)) for name in names)
        others = list_other_attributes(value, frozenset(names))
        yield from ((f".{name}", part) for name, part in others.items())
