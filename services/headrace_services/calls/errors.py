"""A task's exception on its way to the client, where it is raised again.

    slot: pack_error ─► TaskFailure.detail ─► client: rebuild_failure ─► raise

It is sent as plain data: its class's name, ``args`` and attributes. Exceptions of Python's own
classes and of modules that the client has imported are raised as such, all others as a RemoteError
of their name. A note says what could not be sent. If values are pickled, the exception is pickled
as well, and nothing of it is lost; its parts are also sent, in case it cannot be unpickled.

The remote traceback, with its chain of causes as text, is the exception's cause, as in
``multiprocessing.pool``.
"""

from __future__ import annotations

from typing import Any, cast

from msgspec.structs import replace

from headrace_services.calls.building import ExceptionParts
from headrace_services.calls.classes import take_apart
from headrace_services.calls.rebuilding import (
    IMPORTED,
    add_note,
    fill_exception,
    is_of_initializer,
    is_raised_as_itself,
    refuse_interrupt,
)
from headrace_services.calls.remote import RemoteError, make_remote_error, make_traceback
from headrace_services.calls.transport import Serializer, pickle_value, unpickle_value
from headrace_services.calls.values import pack_value, unpack_value
from headrace_services.service import MAX_DETAIL_BYTES
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import TaskFailedError
from headrace_wire.messages.failures import ERROR, TaskFailure

__all__ = ["RemoteError", "pack_error", "rebuild_failure"]

#: How many characters of an exception's text are sent, and of the description of missing parts.
MAX_TEXT_CHARACTERS = 4000
MAX_LOST_CHARACTERS = 1000

#: How many levels of nested groups are examined.
_DEEPEST_GROUP = 20


def pack_error(
    error: BaseException, serializer: Serializer = "msgpack", *, by_reference: bool = False
) -> bytes:
    """Encode an exception, or as much of it as can be sent. Never raises."""
    try:
        plain = _pack_plain(error)
    except BaseException:  # noqa: BLE001 - the user's own class may do anything when it is asked
        plain = b""
    if serializer == "msgpack":
        return plain
    try:
        pickled = _pickle_error(error, by_reference=by_reference)
    except BaseException:  # noqa: BLE001 - as above
        pickled = b""
    if len(pickled) + len(plain) + 16 > MAX_DETAIL_BYTES:
        pickled = b""
    return pack([pickled, plain])


def _pack_plain(error: BaseException) -> bytes:
    whole = take_apart(error)
    whole = replace(whole, name=whole.name[:200], text=whole.text[:MAX_TEXT_CHARACTERS])
    packed = _try(whole)
    if packed is None:
        packed = _try(_soften(error, whole))
    if packed is None:
        lost = f"its contents: over {MAX_DETAIL_BYTES} bytes"
        packed = _try(replace(whole, args=[], state={}, whole=False, lost=lost))
    return packed or b""


def _try(parts: ExceptionParts) -> bytes | None:
    try:
        packed = pack_value(parts)
    except (TypeError, ValueError):
        return None
    return packed if len(packed) <= MAX_DETAIL_BYTES else None


def _soften(error: BaseException, parts: ExceptionParts, depth: int = 0) -> ExceptionParts:
    """Leave out what cannot be sent, and describe it."""
    lost: list[str] = []
    args: list[Any] = parts.args
    if isinstance(error, BaseExceptionGroup) and len(args) == 2 and depth < _DEEPEST_GROUP:
        group = cast("BaseExceptionGroup[BaseException]", error)
        inner = [_soften(one, take_apart(one), depth + 1) for one in group.exceptions]
        args = [args[0], inner]
    whole = True
    for place, value in enumerate(args, 1):
        problem = _find_problem(value, f"its argument {place}")
        if problem:
            whole = False
            lost.append(problem)
    state: dict[str, Any] = {}
    for name, value in parts.state.items():
        problem = _find_problem(value, f"its attribute {name!r}")
        if problem:
            lost.append(problem)
        else:
            state[name] = value
    summary = "; ".join(lost)[:MAX_LOST_CHARACTERS]
    return replace(parts, args=args if whole else [], state=state, whole=whole, lost=summary)


def _find_problem(value: object, label: str) -> str:
    try:
        packed = pack_value(value, label)
    except (TypeError, ValueError) as error:
        return str(error)
    if len(packed) > MAX_DETAIL_BYTES // 2:
        return f"{label}: {len(packed)} bytes are too many"
    return ""


def _pickle_error(error: BaseException, *, by_reference: bool) -> bytes:
    """Pickle an exception, or else its class and parts."""
    parts = take_apart(error)
    try:
        pickled = pickle_value(error, by_reference=by_reference)
        # Many classes can be pickled but not unpickled, or become another error.
        opened = unpickle_value(pickled)
        back = take_apart(opened) if type(opened) is type(error) else None
        if back and back.text == parts.text and back.state.keys() == parts.state.keys():
            return pickled
    except BaseException:  # noqa: BLE001, S110 - the user's own class may do anything when it is asked
        pass
    lost: list[str] = []

    def can_travel(value: object, label: str) -> bool:
        try:
            unpickle_value(pickle_value(value, by_reference=by_reference))
        except BaseException as problem:  # noqa: BLE001 - as above
            lost.append(f"{label}: {problem}"[:MAX_LOST_CHARACTERS])
            return False
        return True

    numbered = enumerate(parts.args, 1)
    whole = [can_travel(value, f"its argument {place}") for place, value in numbered]
    state = {
        name: value
        for name, value in parts.state.items()
        if can_travel(value, f"its attribute {name!r}")
    }
    args = parts.args if all(whole) else []
    about = [args, state, parts.text, all(whole), "; ".join(lost)]
    return pickle_value((type(error), about), by_reference=by_reference)


def rebuild_failure(failure: TaskFailure, serializer: Serializer = "msgpack") -> Exception:
    """Make the exception that a client raises for a failed task.

    ``serializer`` is the one with which the client made the call: nothing else is decoded.
    """
    where = f"task {failure.index}" + (f", {failure.summary}" if failure.summary else "")
    if failure.reason != ERROR:
        return TaskFailedError(f"{where}: {failure.message}")
    error = _open_error(failure, serializer)
    cause = make_traceback(failure.traceback) if failure.traceback else None
    # Not with its attributes, which its class may have changed.
    vars(BaseException)["__cause__"].__set__(error, cause)
    how = "it ran before" if is_of_initializer(error) else "raised in"
    add_note(error, f"{how} {where} on worker {failure.worker}")
    if type(error) is ModuleNotFoundError and failure.message.startswith(f"{error}; "):
        add_note(error, failure.message.removeprefix(f"{error}; "))  # what to do about it
    return error


def _open_error(failure: TaskFailure, serializer: Serializer) -> Exception:
    opened: object = None
    detail = failure.detail
    try:
        if serializer == "cloudpickle" and detail:
            pickled, detail = unpack(detail)
            opened = _open_pickled(pickled)
        if opened is None and detail:
            opened = unpack_value(detail, IMPORTED)
    except (ValueError, TypeError):
        opened = None
    if isinstance(opened, Exception):
        return opened
    module, _, name = failure.error_type.rpartition(".")
    return make_remote_error(f"{module or 'builtins'}:{name}", failure.message)


def _open_pickled(pickled: bytes) -> Exception | None:
    """Unpickle what ``_pickle_error`` has made; None if that cannot be done here."""
    if not pickled:
        return None
    try:
        opened: object = unpickle_value(pickled)
        if type(opened) is tuple:
            kind, (args, state, text, whole, lost) = cast("Any", opened)
            opened = fill_exception(kind, ExceptionParts("", args, state, text, whole, lost))
        return opened if isinstance(opened, Exception) and is_raised_as_itself(opened) else None
    except BaseException as problem:  # noqa: BLE001 - what was pickled may do anything
        refuse_interrupt(problem)
        return None
