"""A task's exception on its way to the client, where it is raised again.

    slot: pack_error ─► TaskFailure.detail ─► client: rebuild_failure ─► raise

What travels is data: the class's name, ``args``, attributes. Classes of Python itself and of
modules that the client has imported come back as themselves, all others as a RemoteError of their
name. The remote traceback, with its chain of causes as text, is the exception's cause, as in
``concurrent.futures``.
"""

from __future__ import annotations

from headrace_services.calls.classes import ExceptionParts, take_apart
from headrace_services.calls.rebuilding import IMPORTED
from headrace_services.calls.remote import RemoteError, RemoteTraceback, make_remote_error
from headrace_services.calls.values import pack_value, unpack_value
from headrace_services.service import MAX_DETAIL_BYTES
from headrace_wire.errors import TaskFailedError
from headrace_wire.messages import ERROR, TaskFailure
from headrace_wire.record import replace

__all__ = ["RemoteError", "RemoteTraceback", "pack_error", "rebuild_failure"]

#: Characters of an exception's text that travel.
MAX_TEXT_CHARACTERS = 4000


def pack_error(error: BaseException) -> bytes:
    """Encode an exception, or as much of it as can travel. Never raises."""
    try:
        whole = take_apart(error)
        whole = replace(whole, name=whole.name[:200], text=whole.text[:MAX_TEXT_CHARACTERS])
        bare = replace(whole, args=[], state={}, whole=False)
        for parts in (whole, replace(whole, state={}), bare):
            packed = _try(parts)
            if packed is not None:
                return packed
    except Exception:  # noqa: BLE001, S110 - the user's own class may do anything when it is asked
        pass
    return b""


def _try(parts: ExceptionParts) -> bytes | None:
    try:
        packed = pack_value(parts)
    except (TypeError, ValueError):
        return None
    return packed if len(packed) <= MAX_DETAIL_BYTES else None


def rebuild_failure(failure: TaskFailure) -> Exception:
    """Make the exception that a client raises for a failed task."""
    where = f"task {failure.index}" + (f", {failure.summary}" if failure.summary else "")
    if failure.reason != ERROR:
        return TaskFailedError(f"{where}: {failure.message}")
    error = _unpack_error(failure)
    error.__cause__ = RemoteTraceback(failure.traceback) if failure.traceback else None
    error.add_note(f"raised in {where} on worker {failure.worker}")
    return error


def _unpack_error(failure: TaskFailure) -> Exception:
    try:
        error = unpack_value(failure.detail, IMPORTED) if failure.detail else None
    except ValueError:
        error = None
    if isinstance(error, Exception):
        return error
    module, _, name = failure.error_type.rpartition(".")
    return make_remote_error(f"{module or 'builtins'}:{name}", failure.message)
