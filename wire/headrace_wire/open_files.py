"""How many files this process may have open at once, and what to say when these are too few."""

from __future__ import annotations

import contextlib
import errno
import os

from headrace_wire.errors import UsageError
from headrace_wire.system.rlimits import LIMITS

#: Not more than this is requested from the system, because nothing here needs it.
MOST_FILES = 1 << 16

#: The assumed limit of a process if it is not known.
USUAL_FILES = 8192

#: With fewer files than this left, others may have failed to open for want of them: SQLite opens
#: several for a database, and closes them when it fails.
SPARE_FILES = 4


def raise_limit(wanted: int = MOST_FILES) -> None:
    """Let this process open as many files as wanted, or else as many as it may."""
    if LIMITS is None:
        return
    soft, hard = LIMITS.getrlimit(LIMITS.RLIMIT_NOFILE)
    most = wanted if hard == LIMITS.RLIM_INFINITY else min(hard, wanted)
    if soft != LIMITS.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # macOS allows less than it says
            LIMITS.setrlimit(LIMITS.RLIMIT_NOFILE, (most, hard))


def read_limit() -> int:
    """Return how many files this process may open."""
    return _read_limits()[0]


def require_files(needed: int, what: str) -> None:
    """Raise the limit if it is lower than needed for ``what``. Raises UsageError if that is not
    permitted.
    """
    raise_limit(needed)
    _refuse(read_limit(), needed, what)


def require_files_of_child(needed: int, what: str) -> None:
    """Raise UsageError if a child of this process may not open as many files as it needs."""
    _refuse(_read_limits()[1], needed, what)


def _read_limits() -> tuple[int, int]:
    """Return how many files this process may open, and to how many it may raise that limit."""
    if LIMITS is None:
        return USUAL_FILES, USUAL_FILES
    soft, hard = LIMITS.getrlimit(LIMITS.RLIMIT_NOFILE)
    unlimited = LIMITS.RLIM_INFINITY
    return (
        MOST_FILES if soft == unlimited else soft,
        MOST_FILES if hard == unlimited else hard,
    )


def _refuse(files: int, needed: int, what: str) -> None:
    if files < needed:
        raise UsageError(f"{explain_limit(files)}; {what} needs {needed}")


def explain_limit(files: int | None = None) -> str:
    """Return the message that this process can open no more files than these, or than its limit."""
    files = read_limit() if files is None else files
    return f"this process may open only {files} files at once: raise the limit (`ulimit -n`)"


def is_limit_reached() -> bool:
    """Return whether this process can open hardly any more files."""
    with contextlib.ExitStack() as opened:
        for _ in range(SPARE_FILES):
            try:
                opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))
            except OSError as error:
                return says_limit_reached(error)
    return False


def says_limit_reached(error: BaseException) -> bool:
    """Return whether an error says that this process can open no more files."""
    return isinstance(error, OSError) and error.errno == errno.EMFILE


def explain_system_error(error: OSError) -> str:
    """Return the system's message, or a longer one if this process can open no more files."""
    return explain_limit() if says_limit_reached(error) else error.strerror or str(error)
