"""A task's failure in words: the same in every list, log and error."""

from __future__ import annotations

from headrace_wire.messages.failures import ERROR, TaskFailure

#: Packages whose exceptions are sentences that need no class beside them.
_OWN = ("headrace.", "headrace_")


def describe_error(failure: TaskFailure) -> str:
    """What went wrong, as Python's tracebacks end: ``ValueError: no such shop``.

    Without its task, and without the reason of a task that was not ended by an exception.
    """
    kind, message = failure.error_type, failure.message
    if failure.reason != ERROR or not kind or kind.startswith(_OWN):
        return message
    said = kind if message in {"", kind} else f"{kind}: {message}"
    return explain_exit(said) if kind == "SystemExit" else said


def explain_exit(text: str) -> str:
    """The text of a SystemExit, which alone reads as if all had gone well: ``0``."""
    return f"{text} (the function called sys.exit)".lstrip()
