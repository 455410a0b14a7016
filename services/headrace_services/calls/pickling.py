"""Pickling between a program and the slots that load its main module.

    dump ─► plain pickle                    nearly always: objects with names are sent by name
          └► _SharingPickler (cloudpickle)  if there is a lambda, a closure or the like

A function that is sent by value is given the globals of its module on the other side. So it sees
what an initializer has set there, and the same classes as all other functions. Only the globals
that this module lacks are sent with it: those bound under ``if __name__ == "__main__":``.
"""

from __future__ import annotations

import importlib
import io
import pickle
import sys
from collections.abc import Callable
from functools import cache
from types import CellType, CodeType, FunctionType
from typing import Any, cast

from headrace_services.calls import main_module
from headrace_services.calls.main_names import MainNames
from headrace_wire.errors import UsageError
from headrace_wire.framing import MAX_FRAME_BYTES

#: The names of a program's main module, in the program and in slots.
_MAIN_NAMES = frozenset({"__main__", "__mp_main__"})

#: Read-only arrays stay read-only in the newest protocol, but not in this one, which
#: multiprocessing uses.
_COPYING_PROTOCOL = 4

#: Pickles with more bytes are not searched for names.
_SEARCHED_BYTES = 16 << 10

#: Called with each large buffer in a value; True means that it stays in the pickle.
_Look = Callable[[pickle.PickleBuffer], bool]


def dump(value: object) -> bytes:
    """Pickle for a process that has the same main module. Raises the errors of pickle."""
    try:
        packed = _write(value, pickle.dumps)
    except (pickle.PicklingError, AttributeError, TypeError):
        # It contains a lambda, a closure, or something similar.
        return _write(value, _write_sharing)
    if _may_be_hidden(value, packed) and main_module.find_names().hides_definitions():
        return _write(value, _write_sharing)
    return packed


def _may_be_hidden(value: object, packed: bytes) -> bool:
    """Return whether a pickle may contain something of the main module that a slot lacks."""
    if type(value) is FunctionType and "." not in value.__qualname__:
        return not main_module.find_names().has(value.__name__)
    # Searching a large pickle takes longer than checking the names.
    return len(packed) > _SEARCHED_BYTES or b"__main__" in packed


def dump_by_value(value: object) -> bytes:
    """Pickle for a process without this program's main module, as cloudpickle does."""
    return _write(value, import_cloudpickle().dumps)


def import_cloudpickle() -> Any:
    """Import cloudpickle. Raises UsageError if it is not installed."""
    try:
        import cloudpickle  # type: ignore[import-untyped,unused-ignore] # noqa: PLC0415 - only if requested
    except ImportError as error:
        raise UsageError("cloudpickle is not installed: pip install cloudpickle") from error
    return cloudpickle


def _write(value: object, write: Callable[..., bytes]) -> bytes:
    """Pickle with a function such as pickle.dumps, so that arrays are writable where they
    arrive.
    """
    read_only = False

    def look(buffer: pickle.PickleBuffer) -> bool:
        nonlocal read_only
        read_only = read_only or memoryview(buffer).readonly
        return True  # it stays in the pickle

    packed = write(value, pickle.HIGHEST_PROTOCOL, buffer_callback=look)
    if not read_only or len(packed) > MAX_FRAME_BYTES:  # if it is too large, it is refused
        return packed
    return write(value, _COPYING_PROTOCOL)


def _write_sharing(value: object, protocol: int, buffer_callback: _Look | None = None) -> bytes:
    file = io.BytesIO()
    _make_pickler_class()(file, protocol, buffer_callback).dump(value)
    return file.getvalue()


@cache
def _make_pickler_class() -> Any:
    """Make the class when it is first needed, because importing cloudpickle takes a while."""
    base: Any = import_cloudpickle().Pickler

    class SharingPickler(base):  # type: ignore[misc]
        """Pickles by name what the other side's main module has."""

        def __init__(self, file: io.BytesIO, protocol: int, buffer_callback: Any) -> None:
            base.__init__(self, file, protocol, buffer_callback)
            self._names = main_module.find_names()

        def reducer_override(self, thing: Any) -> Any:
            if isinstance(thing, type | FunctionType) and _is_shared(thing, self._names):
                return NotImplemented
            return base.reducer_override(self, thing)

        def _dynamic_function_reduce(self, function: FunctionType) -> Any:
            reduced: Any = base._dynamic_function_reduce(self, function)  # noqa: SLF001 - there is no public way
            module = _find_home(function)
            if module is None:
                return reduced
            arguments, (attributes, parts) = reduced[1], reduced[2]
            used: dict[str, Any] = parts["__globals__"] if module == "__main__" else {}
            lacking = {name: used[name] for name in used if not self._names.has(name)}
            state = (attributes, {**parts, "__globals__": lacking})
            made_of = (arguments[0], module, arguments[-1])
            return make_function, made_of, state, None, None, fill_function

    return SharingPickler


def _is_shared(thing: Any, names: MainNames) -> bool:
    """Return whether the other side's main module has this function or class under its name."""
    if getattr(thing, "__module__", None) not in _MAIN_NAMES:
        return False
    first, *rest = thing.__qualname__.split(".")
    main = sys.modules["__main__"]
    found = vars(main).get(first) if names.has(first) else None
    for part in rest:
        found = getattr(found, part, None)
    return found is thing


def _find_home(function: FunctionType) -> str | None:
    """Return the module whose globals a function has, if the other side has that module, too."""
    name = cast("str | None", function.__module__)
    if name in _MAIN_NAMES:
        name = "__main__"
    module = sys.modules.get(name or "")
    if module is None or function.__globals__ is not vars(module):
        return None
    if name != "__main__" and getattr(module, "__spec__", None) is None:
        return None  # made by the program as it ran
    return name


def make_function(
    code: CodeType, module: str, closure: tuple[CellType, ...] | None
) -> FunctionType:
    """Make a function that has the globals of a module here. Called when unpickling."""
    home = sys.modules.get(module) or importlib.import_module(module)
    return FunctionType(code, vars(home), None, None, closure)


def fill_function(function: FunctionType, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Set the other parts of a function. Called when unpickling."""
    attributes, parts = state
    vars(function).update(attributes)
    parts.pop("_cloudpickle_submodules", None)  # they are imported by now
    function.__globals__.update(parts.pop("__globals__"))
    cells = parts.pop("__closure__") or ()
    for cell, filled in zip(function.__closure__ or (), cells, strict=True):
        try:
            cell.cell_contents = filled.cell_contents
        except ValueError:
            continue  # an empty one
    for name, value in parts.items():
        setattr(function, name, value)
