"""Putting a task's exception into words that can travel."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any

from msgspec import Struct

from headrace_services.missing import advise_on_missing

#: Longest summary and message, and longest traceback (its end is kept), in characters.
SUMMARY_CHARACTERS = 200
MESSAGE_CHARACTERS = 4_000
TRACEBACK_CHARACTERS = 16_000

#: Modules whose frames stand between the slot and a user's function.
_MACHINERY = "headrace_services.calls."


class Failure(Struct, frozen=True, array_like=True):
    """An exception as text: nothing of the user's own types has to be imported to read it.

    ``detail`` is the exception as its service encoded it, for the service's client alone.
    """

    error_type: str
    message: str
    traceback: str
    detail: bytes = b""


def explain(error: BaseException) -> Failure:
    """Describe an exception, without the frames of the machinery that ran the task. Never raises.

    Its class is the user's own, and may do anything when it is asked for words.
    """
    name = _name(type(error))
    try:
        message = clip(_describe(error, name), MESSAGE_CHARACTERS)
    except BaseException as second:  # noqa: BLE001 - see above
        message = clip(f"its text cannot be made: {_name(type(second))}", MESSAGE_CHARACTERS)
    try:
        own = _skip_machinery(error.__traceback__)
        trace = "".join(traceback.format_exception(type(error), error, own))
        # The last frames and the exception itself say most, and they stand at the end.
        text = clip(trace[-TRACEBACK_CHARACTERS:], TRACEBACK_CHARACTERS)
        if len(trace) > TRACEBACK_CHARACTERS:
            text = "…" + text[1:]
    except BaseException as second:  # noqa: BLE001 - see above
        text = f"{name}: {message}\n(no traceback: {_name(type(second))})\n"
    return Failure(name, message, text)


def _describe(error: BaseException, name: str) -> str:
    """The text of an exception, or its class where it has none."""
    text = str(error)
    if advice := advise_on_missing(error):
        return f"{text}; {advice}"
    return text if text.strip() else name  # such as MemoryError, or an assert without words


def clip(text: str, characters: int) -> str:
    """Cut to so many characters that UTF-8 can carry."""
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
