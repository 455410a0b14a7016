"""Putting a task's exception into words that can travel."""

from __future__ import annotations

import traceback

from headrace_wire.record import Record

#: Longest summary and message, and longest traceback (its end is kept), in characters.
SUMMARY_CHARACTERS = 200
MESSAGE_CHARACTERS = 4_000
TRACEBACK_CHARACTERS = 16_000

#: Modules whose frames stand between the slot and a user's function.
_MACHINERY = "headrace_services.calls."


class Failure(Record):
    """An exception as text: nothing of the user's own types has to be imported to read it.

    ``detail`` is the exception as its service encoded it, for the service's client alone.
    """

    error_type: str
    message: str
    traceback: str
    detail: bytes = b""


def explain(error: BaseException) -> Failure:
    """Describe an exception, without the frames of the machinery that ran the task."""
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in {"builtins", "__main__"}:
        name = f"{kind.__module__}.{name}"
    try:
        message = str(error)
    except Exception as second:  # noqa: BLE001 - the user's own __str__ may raise anything
        message = f"its text cannot be made: {type(second).__name__}"
    own = error.__traceback__.tb_next if error.__traceback__ else None
    while own is not None and own.tb_frame.f_globals.get("__name__", "").startswith(_MACHINERY):
        own = own.tb_next
    try:
        text = "".join(traceback.format_exception(kind, error, own))
    except Exception as second:  # noqa: BLE001 - user classes are asked for their text here too
        text = f"{name}: {message}\n(no traceback: {type(second).__name__})\n"
    return Failure(
        clip(name, SUMMARY_CHARACTERS), clip(message, MESSAGE_CHARACTERS), _clip_head(text)
    )


def clip(text: str, characters: int) -> str:
    """Cut to so many characters that UTF-8 can carry."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _clip_head(text: str) -> str:
    # The last frames and the exception itself say most, and they stand at the end.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= TRACEBACK_CHARACTERS else "…" + text[1 - TRACEBACK_CHARACTERS :]
