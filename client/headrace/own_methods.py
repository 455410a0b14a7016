"""Methods that a public class inherits from classes which programs do not know.

Python names a method by the class that defines it: ``AwaitedCluster.map() got an unexpected keyword
argument``. A public class therefore gets copies of such methods that have its own name.
"""

from __future__ import annotations

from types import FunctionType
from typing import TypeVar

T = TypeVar("T")

#: The package whose classes define such methods.
_PACKAGE = __name__.partition(".")[0]


def own_methods(kind: type[T]) -> type[T]:
    """Give a class its own copies of the public methods that it inherits from this package."""
    for base in kind.__mro__[1:]:
        if base.__module__.partition(".")[0] != _PACKAGE:
            continue
        for name, member in vars(base).items():
            is_public = not name.startswith("_") or name == "__init__"
            # An override, which comes earlier in the order of resolution, stays.
            if is_public and isinstance(member, FunctionType) and getattr(kind, name) is member:
                setattr(kind, name, _copy(member, f"{kind.__qualname__}.{name}"))
    return kind


def _copy(function: FunctionType, qualified_name: str) -> FunctionType:
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__annotations__ = function.__annotations__
    copy.__doc__ = function.__doc__
    copy.__module__ = function.__module__
    copy.__qualname__ = qualified_name
    copy.__dict__.update(function.__dict__)
    return copy
