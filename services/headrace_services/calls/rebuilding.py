"""Putting values of named classes together again, without their classes' own code.

No ``__init__`` or ``__post_init__`` is run: fields are set as they were. (A flag alone asks its
class for the member of a number.) Which classes may be found is decided by ``find``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

from headrace_services.calls.classes import ExceptionParts
from headrace_services.calls.named import MISSING, find_loaded, list_fields, split_name
from headrace_services.calls.remote import make_remote_error

#: Raised again inside an iterator, they would end its loop as if all was well.
_ENDS_OF_LOOPS = (StopIteration, StopAsyncIteration)


class FoundClasses:
    """Real instances of the classes that ``find`` gives for their names.

    ``find`` raises ValueError for a name that it does not give; what it gives is checked here.
    """

    def __init__(self, find: Callable[[str], Any]) -> None:
        self._find = find

    def make_member(self, name: str, member: str | int) -> Any:
        kind: Any = self._find(name)
        if not _is_kind_of(kind, enum.Enum):
            raise ValueError(f"{name} is not an enum here")
        if issubclass(kind, enum.Flag) and isinstance(member, int):
            return kind(member)
        if member not in kind.__members__:
            raise ValueError(f"{name} has no member {member!r} here")
        return kind.__members__[str(member)]

    def make_dataclass(self, name: str, parts: dict[str, Any]) -> Any:
        kind: Any = self._find(name)
        if not (_is_kind_of(kind, object) and "__dataclass_fields__" in vars(kind)):
            raise ValueError(f"{name} is not a dataclass here")
        if set(list_fields(kind)) != parts.keys():
            raise ValueError(f"{name} has other fields here: both sides need the same version")
        made: Any = object.__new__(kind)
        for field, part in parts.items():
            object.__setattr__(made, field, part)
        return made

    def make_named_tuple(self, name: str, items: list[Any]) -> Any:
        kind: Any = self._find(name)
        if not (_is_kind_of(kind, tuple) and hasattr(kind, "_fields")):
            raise ValueError(f"{name} is not a named tuple here")
        if len(kind._fields) != len(items):
            raise ValueError(f"{name} has other fields here: both sides need the same version")
        make: Any = getattr(tuple, "__new__")  # noqa: B009 - its type is of no use
        return make(kind, items)

    def make_exception(self, parts: ExceptionParts) -> BaseException:
        return rebuild_exception(parts)


def find_imported(name: str) -> Any:
    """Find a class in a module that this program has imported. Raises ValueError."""
    found = find_loaded(*split_name(name))
    if found is MISSING:
        raise ValueError(f"{name} is not known here: import its module first")
    return found


#: What a client makes of values: of classes that it has imported.
IMPORTED = FoundClasses(find_imported)


def rebuild_exception(parts: ExceptionParts) -> BaseException:
    """Make an exception of its own class if that is imported, else a RemoteError of its name.

    Those that would end the program or a loop, such as SystemExit and StopIteration, come as a
    RemoteError too: nobody means them to do so on another machine.
    """
    try:
        kind = find_imported(parts.name)
        if issubclass(kind, Exception) and not issubclass(kind, _ENDS_OF_LOOPS):
            return _fill(kind, parts)
    except Exception:  # noqa: BLE001, S110 - arguments that do not fit the class, among others
        pass
    return make_remote_error(parts.name, parts.text)


def _fill(kind: type[Exception], parts: ExceptionParts) -> Exception:
    # The nearest class of Python's own: it knows what to do with arguments, and is no user's code.
    base: Any = next(one for one in kind.__mro__ if one.__module__ == "builtins")
    args = parts.args if parts.whole else [parts.text]
    error: Exception = base.__new__(kind, *args)
    base.__init__(error, *args)
    error.__dict__.update(parts.state)
    return error


def _is_kind_of(kind: object, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)
