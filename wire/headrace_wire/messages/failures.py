"""The message about a failed attempt, and the possible reasons."""

from __future__ import annotations

from typing import Final, Literal

from headrace_wire.bounds import (
    Count,
    Index,
    JobId,
    OptionalIdentifier,
    OptionalLabel,
    Payload,
    Seconds,
    Text,
)
from headrace_wire.message import Message
from headrace_wire.newer import STAND_INS

#: Why a task failed; a label of metrics.
Reason = Literal["error", "timeout", "crash", "oom", "lost", "refused", "withdrawn"]

ERROR: Final = "error"
TIMEOUT: Final = "timeout"
CRASH: Final = "crash"
OOM: Final = "oom"
LOST: Final = "lost"

#: The reason for which a worker returns a task that it is not allowed to run; others may be.
REFUSED: Final = "refused"

#: The reason of a task that its client took back.
WITHDRAWN: Final = "withdrawn"

# A failure with a reason of a later version is still a failure.
STAND_INS[Reason] = ERROR

#: The error type of a timeout for which the task is not to blame: its initializer did not end.
INITIALIZER_TIMEOUT = "InitializerTimeout"


class TaskFailure(Message):
    """One attempt failed. ``signal`` is a signal's name or ""; ``summary`` names the input.

    ``detail`` is what the task's service tells its client about an exception; opaque to all others.
    """

    lease: Count
    job: JobId
    index: Index
    attempt: Count
    reason: Reason
    signal: OptionalIdentifier = ""
    error_type: Text = ""
    message: Text = ""
    traceback: Text = ""
    summary: Text = ""
    worker: OptionalLabel = ""
    cpu_seconds: Seconds = 0.0
    busy_seconds: Seconds = 0.0
    detail: Payload = b""
