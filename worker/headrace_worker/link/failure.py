"""Describes a task's exception as text that can be sent."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any

from msgspec import Struct

from headrace_services.missing import advise_on_missing

#: The maximum length of summary, message and traceback (whose end is kept), in characters.
SUMMARY_CHARACTERS = 200
MESSAGE_CHARACTERS = 4_000
TRACEBACK_CHARACTERS = 16_000

#: Modules whose frames are between the slot and a user's function, or a value that is refused.
_MACHINERY = ("headrace_services.calls.", "msgpack.")


class Failure(Struct, frozen=True, array_like=True):
    """An exception as text, which can be read without importing the user's own types.

    ``detail`` is the exception as its service encoded it, for the client of that service.
    """

    error_type: str
    message: str
    traceback: str
    detail: bytes = b""


def explain(error: BaseException) -> Failure:
    """Describe an exception, without the frames of the code that ran the task. Never raises.

    The exception's class is the user's own, and its methods may do anything.
    """
    name = _name(type(error))
    try:
        message = clip(_describe(error, name), MESSAGE_CHARACTERS)
    except BaseException as second:  # noqa: BLE001 - see above
        message = clip(f"its text cannot be made: {_name(type(second))}", MESSAGE_CHARACTERS)
    try:
        own = _skip_machinery(error.__traceback__)
        trace = "".join(traceback.format_exception(type(error), error, own))
        # The last frames and the exception itself are most important, and they are at the end.
        text = clip(trace[-TRACEBACK_CHARACTERS:], TRACEBACK_CHARACTERS)
        if len(trace) > TRACEBACK_CHARACTERS:
            text = "…" + text[1:]
    except BaseException as second:  # noqa: BLE001 - see above
        text = f"{name}: {message}\n(no traceback: {_name(type(second))})\n"
    return Failure(name, message, text)


def _describe(error: BaseException, name: str) -> str:
    """Return the text of an exception, or the name of its class if it has none."""
    text = str(error)
    if advice := advise_on_missing(error):
        return f"{text}; {advice}"
    return text if text.strip() else name  # for example MemoryError, or an assert without a message


def clip(text: str, characters: int) -> str:
    """Shorten text to this many characters, and make it valid UTF-8."""
    cut = text if len(text) <= characters else text[: characters - 1] + "…"
    return cut.encode("utf-8", "replace").decode()


def _name(kind: type[BaseException]) -> str:
    try:
        name = kind.__qualname__
        module: Any = kind.__module__
        if isinstance(module, str) and module not in {"builtins", "__main__"}:
            name = f"{module}.{name}"
        return clip(name, SUMMARY_CHARACTERS)
    except BaseException:  # noqa: BLE001 - see explain
        return "an exception without a name"


def _skip_machinery(trace: TracebackType | None) -> TracebackType | None:
    own = trace.tb_next if trace else None
    while own is not None:
        module: Any = own.tb_frame.f_globals.get("__name__", "")
        if not (isinstance(module, str) and module.startswith(_MACHINERY)):
            break
        own = own.tb_next
    return own
