"""Builds values of named classes without running their classes' own code.

No ``__init__`` or ``__post_init__`` is run: fields are set as they were. (Only a flag calls its
class to get the member of a number.) ``find`` decides which classes may be found.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from types import MemberDescriptorType
from typing import Any, cast

from headrace_services.calls.building import ExceptionParts
from headrace_services.calls.functions import HARMLESS, was_called
from headrace_services.calls.named import (
    MISSING,
    find_loaded,
    list_fields,
    set_other_attributes,
    split_name,
)
from headrace_services.calls.remote import make_remote_error

#: Raised inside an iterator, they would silently end its loop.
_ENDS_OF_LOOPS = (StopIteration, StopAsyncIteration)

#: The note of an exception that an initializer raised.
NO_CALL = "raised by the initializer, so that no call was made"

#: A note about what an exception has lost on its way.
_LOST = "what could not travel with it: {}"


class FoundClasses:
    """Makes instances of the classes that ``find`` returns for their names.

    ``find`` raises ValueError for a name that it refuses; what it returns is checked here.
    ``find_function`` does the same for functions to which values refer.
    """

    def __init__(
        self, find: Callable[[str], Any], find_function: Callable[[str], Any] | None = None
    ) -> None:
        self._find = find
        self._find_function = find_function or _refuse_function

    def make_member(self, name: str, member: str | int) -> Any:
        kind: Any = self._find(name)
        if not _is_kind_of(kind, enum.Enum):
            raise ValueError(f"{name} is not an enum here")
        if issubclass(kind, enum.Flag) and isinstance(member, int):
            return kind(member)
        if member not in kind.__members__:
            raise ValueError(f"{name} has no member {member!r} here")
        return kind.__members__[str(member)]

    def make_dataclass(self, name: str, parts: dict[str, Any], others: dict[str, Any]) -> Any:
        kind: Any = self._find(name)
        if not (_is_kind_of(kind, object) and "__dataclass_fields__" in vars(kind)):
            raise ValueError(f"{name} is not a dataclass here")
        if set(list_fields(kind)) != parts.keys():
            raise ValueError(f"{name} has other fields here: both sides need the same version")
        made: Any = object.__new__(kind)
        for field, part in parts.items():
            object.__setattr__(made, field, part)
        set_other_attributes(made, others)
        return made

    def make_named_tuple(self, name: str, items: list[Any], others: dict[str, Any]) -> Any:
        kind: Any = self._find(name)
        if not (_is_kind_of(kind, tuple) and hasattr(kind, "_fields")):
            raise ValueError(f"{name} is not a named tuple here")
        if len(kind._fields) != len(items):
            raise ValueError(f"{name} has other fields here: both sides need the same version")
        make: Any = getattr(tuple, "__new__")  # noqa: B009 - its type is useless
        made = make(kind, items)
        set_other_attributes(made, others)
        return made

    def make_default(self, name: str | None, pairs: dict[Any, Any]) -> Any:
        from collections import defaultdict  # noqa: PLC0415 - few values have one

        return defaultdict(None if name is None else self._find_function(name), pairs)

    def make_partial(self, name: str, args: list[Any], kwds: dict[str, Any]) -> Any:
        from functools import partial  # noqa: PLC0415 - few values have one

        return partial(self._find_function(name), *args, **kwds)

    def make_frame(self, kind: str, body: memoryview, extra: list[Any]) -> Any:
        from headrace_services.calls.frames import make_frame  # noqa: PLC0415 - few values are one

        return make_frame(kind, body, extra)

    def make_pattern(self, text: str | bytes, flags: int) -> Any:
        import re  # noqa: PLC0415 - few values have one

        return re.compile(text, flags)

    def make_exception(self, parts: ExceptionParts) -> BaseException:
        return rebuild_exception(parts)


def _refuse_function(name: str) -> Any:
    raise ValueError(f"{name}: no value may refer to a function here")


def find_imported(name: str) -> Any:
    """Find a class in a module that this program has imported. Raises ValueError."""
    found = find_loaded(*split_name(name))
    if found is MISSING:
        raise ValueError(f"{name} is not known here: import its module first")
    return found


def find_called(name: str) -> Any:
    """Find a function to which a value refers, for a client. Raises ValueError.

    It belongs to a package whose functions this program calls itself, or only makes a value: what
    comes from a cluster must not choose among everything that is imported here.
    """
    if name not in HARMLESS and not was_called(name):
        raise ValueError(f"{name} is not of a package whose functions this program calls")
    return find_imported(name)


#: Makes values of the classes that a client has imported.
IMPORTED = FoundClasses(find_imported, find_called)


def rebuild_exception(parts: ExceptionParts) -> BaseException:
    """Make an exception of its own class if that is imported, otherwise a RemoteError of its name.

    Exceptions that would end the program or a loop, such as SystemExit and StopIteration, become a
    RemoteError, too: they are not meant to do this on another machine.
    """
    try:
        kind = find_imported(parts.name)
        if _is_kind_of(kind, Exception):
            error = fill_exception(kind, parts)
            if is_raised_as_itself(error):
                return error
    except BaseException as problem:  # noqa: BLE001 - arguments that do not fit the class, among others
        refuse_interrupt(problem)
    remote = make_remote_error(parts.name, parts.text)
    for note in _list_notes(parts.state):
        add_note(remote, note)
    if parts.lost:
        add_note(remote, _LOST.format(parts.lost))
    return remote


def is_raised_as_itself(error: Exception) -> bool:
    """Return whether an exception can safely be raised again."""
    return not _is_kind_of(type(error), _ENDS_OF_LOOPS)


def fill_exception(kind: type[Exception], parts: ExceptionParts) -> Exception:
    """Make an exception from its parts, without running its class's own code."""
    # This is the nearest class of Python's own, which handles arguments and is not a user's code.
    base: Any = next(one for one in kind.__mro__ if one.__module__ == "builtins")
    args = parts.args if parts.whole else [parts.text]
    error: Exception = base.__new__(kind, *args)
    base.__init__(error, *args)
    space = read_space(error)
    for name, value in parts.state.items():
        beside = getattr(base, name, None)
        if type(beside) is MemberDescriptorType:
            beside.__set__(error, value)
        else:
            space[name] = value
    if parts.lost:
        str(error)  # it may need just what is lost
        add_note(error, _LOST.format(parts.lost))
    return error


def add_note(error: BaseException, text: str) -> None:
    """Add a note, without calling code of the exception's class."""
    space = read_space(error)
    space["__notes__"] = [*_list_notes(space), text]


def is_of_initializer(error: BaseException) -> bool:
    """Return whether an exception has the note that an initializer raised it."""
    return NO_CALL in _list_notes(read_space(error))


def read_space(error: BaseException) -> dict[str, Any]:
    """Return the attributes of an exception, without calling code of its class."""
    space: dict[str, Any] = vars(BaseException)["__dict__"].__get__(error)
    return space


def refuse_interrupt(problem: BaseException) -> None:
    """Raise a KeyboardInterrupt again that came while a value was decoded.

    If the value's own code has raised it, there are frames of that code after the decoder's.
    """
    trace = problem.__traceback__
    if isinstance(problem, KeyboardInterrupt) and (trace is None or trace.tb_next is None):
        raise problem


def _list_notes(space: dict[str, Any]) -> list[str]:
    notes: object = space.get("__notes__")
    found = cast("list[object]", notes) if isinstance(notes, list) else []
    return [note for note in found if isinstance(note, str)]


def _is_kind_of(kind: object, base: type | tuple[type, ...]) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)
