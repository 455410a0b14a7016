"""The errors. Each has a code that crosses the wire, and an exit code.

An error's docstring is its default message, and its code is made from its name: UnknownJobError has
``unknown_job``. Errors cross the network as a code and a message and are raised again on the other
side as the same class; nothing else of them is sent.
"""

from __future__ import annotations

import re
from typing import ClassVar

#: Exit codes of the command line, as sysexits.h and timeout(1) use them.
EXIT_OK = 0
EXIT_TASKS_FAILED = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69
EXIT_KEY_REFUSED = 77
EXIT_TIMED_OUT = 124
EXIT_INTERRUPTED = 130

#: The end of the message of an error that another key would avoid, for programs and commands.
OTHER_KEY = "name another key file"


class HeadraceError(Exception):
    """Something went wrong in headrace."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = EXIT_TASKS_FAILED
    by_code: ClassVar[dict[str, type[HeadraceError]]] = {}

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        super().__init__(self.message)

    def __init_subclass__(cls, exit_code: int | None = None) -> None:
        if "code" not in vars(cls):
            words = re.findall("[A-Z][a-z]*", cls.__name__.removesuffix("Error"))
            cls.code = "_".join(words).lower()
        if exit_code is not None:
            cls.exit_code = exit_code
        HeadraceError.by_code[cls.code] = cls

    @staticmethod
    def from_code(code: str, message: str) -> HeadraceError:
        """Return the error for a code and message that crossed the wire. An unknown code keeps its
        message.
        """
        return HeadraceError.by_code.get(code, HeadraceError)(message)


class UsageError(HeadraceError, exit_code=EXIT_USAGE):
    """The request cannot be carried out as it was written."""


class BoundsError(UsageError, ValueError):
    """A value is not within its bounds."""


class ClosedError(UsageError, ValueError):
    """The cluster is closed: open another one."""


class UnreachableError(HeadraceError, exit_code=EXIT_UNAVAILABLE):
    """The coordinator cannot be reached."""

    #: When the lost connection had been made (monotonic), if there was one.
    connected_at: float | None = None

    #: Why a peer that answered was not accepted as the coordinator that had been there before, if
    #: there was one; this is finally raised.
    refusal: HeadraceError | None = None


class BusyError(UnreachableError):
    """The coordinator has no room for another connection."""


class ServiceMissingError(HeadraceError, exit_code=EXIT_UNAVAILABLE):
    """No connected worker offers the service that this job needs."""


class KeyRefusedError(HeadraceError, exit_code=EXIT_KEY_REFUSED):
    """The key was refused: both sides must hold the same key file."""

    #: Whether another peer may have answered instead of the coordinator.
    may_pass: bool = False


class NotAllowedError(HeadraceError, exit_code=EXIT_KEY_REFUSED):
    """The role of this key does not allow that."""


class ProtocolError(HeadraceError, exit_code=EXIT_UNAVAILABLE):
    """The other side speaks another version of the protocol, or does not speak it at all."""

    #: Whether another peer may have answered instead of the coordinator.
    may_pass: bool = False


class UnknownMethodError(HeadraceError, exit_code=EXIT_UNAVAILABLE):
    """The coordinator is of another version, and does not know this call."""


class UnexpectedAnswerError(ProtocolError):
    """The other side speaks this protocol, and answered with something that is no answer."""


class UnknownJobError(HeadraceError, exit_code=EXIT_USAGE):
    """There is no such job."""


class UnknownWorkerError(HeadraceError, exit_code=EXIT_USAGE):
    """The coordinator does not know this worker; if it is one, it registers again."""


class JobStateError(HeadraceError, exit_code=EXIT_USAGE):
    """The job is in a state in which this cannot be done."""


class JobIncompleteError(JobStateError, exit_code=EXIT_TASKS_FAILED):
    """Values of the job are missing: it was cancelled, or ended by its deadline."""


class StoreError(HeadraceError, exit_code=EXIT_UNAVAILABLE):
    """The coordinator's store cannot be written; nothing was acknowledged."""


class SpoolFullError(HeadraceError, exit_code=EXIT_UNAVAILABLE):
    """The coordinator's spool is full; there is room when tasks are done, or results dropped."""


class UnknownSharedError(HeadraceError, exit_code=EXIT_USAGE):
    """There is no such shared object."""


class SharedKindError(HeadraceError, TypeError, exit_code=EXIT_USAGE):
    """The shared object is of another kind."""


class SharedFullError(HeadraceError, exit_code=EXIT_UNAVAILABLE):
    """The coordinator's shared state is full; there is room when something is deleted."""


class LockLostError(HeadraceError):
    """The lock is no longer held: its holder was silent for too long."""


class QueueClosedError(HeadraceError, ValueError):
    """The shared queue is closed."""


class WaitTimedOutError(HeadraceError, exit_code=EXIT_TIMED_OUT):
    """The wait was over before the job was."""


class TaskFailedError(HeadraceError):
    """A task failed."""


class OutputError(HeadraceError):
    """The result cannot be written."""


def is_final(error: BaseException) -> bool:
    """Return whether it is no use to try again: nobody is there, or this side will never be
    accepted.

    Every other error is about one request or its answer.
    """
    final = (UnreachableError, KeyRefusedError, NotAllowedError, ProtocolError)
    return isinstance(error, final) and not isinstance(error, UnexpectedAnswerError)
