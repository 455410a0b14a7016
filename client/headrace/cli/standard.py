"""The standard streams of a command that may have been started without some of them."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

from headrace_wire.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator


def fill_standard_streams() -> None:
    """Open standard streams that are closed, so that no file or socket gets their numbers.

    Writing to a standard output that was closed fails with the system's own error, as it should,
    and so does reading from a closed standard input. What is written to a closed standard error is
    lost.
    """
    for number, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # This is the lowest free number, because those below are open.
            os.set_inheritable(os.open(os.devnull, flags), True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the whole run
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
    stdout: object = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        # A name may contain characters that the locale does not have: they are shown as in JSON.
        cast("io.TextIOWrapper", stdout).reconfigure(errors="backslashreplace")


def drop_unwritten() -> None:
    """Drop what could not be written to standard output, which the command has reported.

    The interpreter would try again when it ends, and exit with a code of its own.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@contextmanager
def open_standard_input() -> Generator[IO[str]]:
    """Open standard input as UTF-8, whatever the locale is. Raises UsageError if it is not."""
    try:
        with open(0, encoding="utf-8-sig", newline="", closefd=False) as file:
            yield file
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input is not UTF-8: {error.reason}") from None
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror}") from None
