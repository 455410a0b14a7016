"""How much text of a job's failures is kept."""

from __future__ import annotations

from msgspec.structs import replace

from headrace_coordinator.queue.job import Job
from headrace_wire.messages.failures import TaskFailure

#: How many bytes of text the failures of one job may have. Later ones are stored without traceback.
MAX_FAILURE_BYTES = 64 << 20

#: How many characters the message of such a failure may have.
SHORT_MESSAGE_CHARACTERS = 200


def limit_text(job: Job, failure: TaskFailure) -> TaskFailure:
    """Count the text of a failure as its job's. Returns the failure as it is kept."""
    job.failure_bytes += _measure(failure)
    return _shorten(failure) if job.failure_bytes > MAX_FAILURE_BYTES else failure


def _measure(failure: TaskFailure) -> int:
    """Return the approximate size of a failure's text in bytes."""
    texts = len(failure.message) + len(failure.traceback) + len(failure.summary)
    return texts + len(failure.detail)


def _shorten(failure: TaskFailure) -> TaskFailure:
    """Return a failure with only short texts."""
    message = failure.message[:SHORT_MESSAGE_CHARACTERS]
    summary = failure.summary[:SHORT_MESSAGE_CHARACTERS]
    return replace(failure, message=message, summary=summary, traceback="", detail=b"")
