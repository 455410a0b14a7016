"""Functions by name: ``module:qualname``, and what a name may refer to on a worker.

    name_function (client) ─► "shop.stock:count" ─► resolve (slot) ─► the function

A worker imports and runs only what its operator allowed (see ``permits``). The object that a name
leads to has to belong to an allowed module itself: if ``shop`` is allowed, ``shop.stock:os.system``
is refused.
"""

from __future__ import annotations

import functools
import importlib
import sys
import traceback
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from types import BuiltinFunctionType, MethodType, ModuleType
from typing import Any

from headrace_services.calls.named import name_object, split_name
from headrace_services.missing import advise_on_missing
from headrace_services.permits import Permits, RefusedError
from headrace_wire.errors import UsageError
from headrace_wire.words import add_article

#: What to do about a function that has no name.
_ADVICE = "use a function of a module, or serializer='cloudpickle'"


#: Functions and classes to which any value may refer: they only make values.
HARMLESS = frozenset(
    f"{kind.__module__}:{kind.__qualname__}"
    for kind in (
        int, float, complex, str, bytes, bytearray, bool, list, tuple, dict, set, frozenset,
        Counter, OrderedDict, defaultdict, deque,
    )
)  # fmt: skip

#: Enums of the standard library whose members any value may contain.
HARMLESS_ENUMS = frozenset({
    "calendar:Day", "calendar:Month", "http:HTTPMethod", "http:HTTPStatus", "re:RegexFlag",
    "signal:Handlers", "signal:Sigmasks", "signal:Signals", "socket:AddressFamily",
    "socket:SocketKind", "uuid:SafeUUID",
})  # fmt: skip

#: The packages of functions that this program has called by name.
_called: set[str] = set()


def was_called(name: str) -> bool:
    """Return whether this program itself has called functions of the package in a name."""
    return name.partition(":")[0].partition(".")[0] in _called


def name_called(function: Callable[..., Any]) -> str:
    """Return the name of a function that is called. Values may then refer to its package."""
    return _note_called(name_function(function))


def _note_called(name: str) -> str:
    _called.add(name.partition(":")[0].partition(".")[0])
    return name


def name_function(function: Callable[..., Any]) -> str:
    """Return the name by which workers find a function.

    Raises UsageError if they could not find it: a lambda, a function inside a function or in
    ``__main__``, a method of an object, a partial.
    """
    problem = _find_problem(function)
    if problem:
        raise UsageError(f"{_show(function)} cannot travel by name: {problem}")
    return name_object(function)


def _find_problem(function: Any) -> str:
    if isinstance(function, functools.partial):
        return f"it is a functools.partial; {_ADVICE}"
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not callable(function):
        return "it is not callable"
    owner = getattr(function, "__self__", None)
    if isinstance(function, MethodType | BuiltinFunctionType) and not isinstance(
        owner, type | ModuleType | None
    ):
        return f"it is a method of an object; {_ADVICE}"
    if not (isinstance(module, str) and isinstance(qualname, str) and qualname):
        return f"it is an object that can be called; {_ADVICE}"
    if "<lambda>" in qualname:
        return f"it is a lambda; {_ADVICE}"
    if "<locals>" in qualname:
        return f"it is defined inside a function; {_ADVICE}"
    if module == "__main__":
        return f"it is defined in __main__, which workers cannot import; move it to {_name_home()}"
    try:
        split_name(f"{module}:{qualname}")
        found = functools.reduce(getattr, qualname.split("."), sys.modules[module])
    except (ValueError, KeyError, AttributeError):
        found = None
    if found != function:
        return f"{module}:{qualname} is not this function; {_ADVICE}"
    return ""


def _name_home() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None and not spec.name.endswith("__main__"):
        # The program was started with -m, so its main module has a name by which it can be
        # imported.
        return f"another module, or import it from {spec.name}"
    return "a module of its own, or use serializer='cloudpickle'"


def check_name(name: str) -> str:
    """Check the form of a function's name as people write it. Raises UsageError."""
    try:
        module, qualname = split_name(name)
    except ValueError as error:
        raise UsageError(f"{error}: write 'module:function'") from None
    if module == "__main__":
        raise UsageError(f"{name}: workers cannot import __main__; write the module's own name")
    return _note_called(f"{module}:{qualname}")


def resolve(name: str, permits: Permits) -> Any:
    """Return the allowed function or class of a name, and import its module.

    Raises RefusedError if it is not allowed or does not exist.
    """
    try:
        module, qualname = split_name(name)
    except ValueError as error:
        raise RefusedError(str(error)) from None
    by_name = permits.names(module, qualname)
    if not by_name and not permits.allows_module(module):
        raise _refuse(name, f"--allow {module.partition('.')[0]} or --allow {name}")
    if any(part.startswith("__") for part in qualname.split(".")):
        raise RefusedError(f"{name} is refused: it leads through names that Python keeps to itself")
    found = _import(name, module)
    *holders, last = qualname.split(".")
    for part in holders:
        found = _step(name, found, part)
        # Checked before the next step, because even getting an attribute may run its code.
        if not by_name and not _is_class_of(found, permits):
            raise RefusedError(f"{name} is refused: it leads out of {module}")
    found = _step(name, found, last)
    owner: object = getattr(found, "__module__", None)
    # If the operator named exactly this, it may come from anywhere.
    if by_name:
        return found
    if not isinstance(owner, str):
        kind = add_article(type(found).__qualname__)
        raise RefusedError(f"{name} is refused: it is no function or class, but {kind}")
    if not permits.allows_module(owner):
        raise _refuse(f"{name}, which belongs to {owner},", f"--allow {name}")
    return found


def resolve_class(name: str, permits: Permits) -> Any:
    """Return the class of which a value is. Raises RefusedError as ``resolve`` does."""
    if name in HARMLESS_ENUMS:
        module, qualname = split_name(name)
        return _step(name, _import(name, module), qualname)
    return resolve(name, permits)


def resolve_function(name: str, permits: Permits) -> Callable[..., Any]:
    """Return the function of a name. Raises RefusedError as ``resolve`` does."""
    found = resolve(name, permits)
    if not callable(found):
        kind = add_article(type(found).__qualname__)
        raise RefusedError(f"{name} is not a function: it is {kind}")
    return found  # type: ignore[no-any-return]


def _import(name: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            advice = "; install it there, or start the worker with --path FOLDER"
            reason = f"{error}{advice}"
        elif isinstance(error, Exception | SystemExit):
            description = advise_on_missing(error) or f"{type(error).__name__}: {error}"
            reason = f"{_find_place(error)}{description}"
        else:
            raise
        raise RefusedError(f"{name} cannot be imported on this worker: {reason}") from error


def _find_place(error: BaseException) -> str:
    """Return the file and line of a module at which its import failed."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: "
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "<module>":
            place = f"{frame.f_code.co_filename}, line {line}: "
    return place


def _step(name: str, holder: Any, part: str) -> Any:
    try:
        return getattr(holder, part)
    except AttributeError as error:
        raise RefusedError(f"{name} is not there on this worker: {error}") from None


def _is_class_of(found: object, permits: Permits) -> bool:
    return isinstance(found, type) and permits.allows_module(found.__module__)


def _refuse(what: str, options: str) -> RefusedError:
    return RefusedError(f"{what} is not allowed on this worker: start it with {options}")


def _show(function: Any) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{name}()" if isinstance(function, MethodType) else str(name)
