"""Describes a task's failure, in the same way in every list, log and error."""

from __future__ import annotations

from headrace_wire.messages.failures import ERROR, TaskFailure

#: Packages whose exceptions have messages that do not need the name of the class.
_OWN = ("headrace.", "headrace_")


def describe_error(failure: TaskFailure) -> str:
    """Return what went wrong, as at the end of Python's tracebacks: ``ValueError: no such shop``.

    It does not name the task, nor the reason if the task was not ended by an exception.
    """
    kind, message = failure.error_type, failure.message
    if failure.reason != ERROR or not kind or kind.startswith(_OWN):
        return message
    said = kind if message in {"", kind} else f"{kind}: {message}"
    return explain_exit(said) if kind == "SystemExit" else said


def explain_exit(text: str) -> str:
    """Return the text of a SystemExit, which alone, such as ``0``, would look like success."""
    return f"{text} (sys.exit was called)".lstrip()
