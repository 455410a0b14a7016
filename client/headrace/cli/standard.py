"""The standard streams of a command that may have been started without some of them."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from headrace_wire.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator


def fill_standard_streams() -> None:
    """Open standard streams that are closed, so that no file or socket gets their numbers.

    Writing to a standard output that was closed fails with the system's own error, as it should,
    and so does reading from a closed standard input. What cannot be written to standard error is
    lost, because it cannot be reported anywhere, and the result of the command is the same.
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
    if type(sys.stderr) is io.TextIOWrapper:  # others write to memory, or to where they please
        sys.stderr = _open_tolerant(sys.stderr)
    stdout: object = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        # A name may contain characters that the locale does not have: they are shown as in JSON.
        cast("io.TextIOWrapper", stdout).reconfigure(errors="backslashreplace")


class _Tolerant(io.RawIOBase):
    """A binary stream that writes to another one, and loses what that one refuses.

    Nobody is told that standard error is full, that its reader has gone, or that its terminal is
    closed. But whatever writes to it, such as a progress bar or the interpreter when it ends, would
    take the error for its own, and change the exit code.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__()
        self._stream = stream  # it would close the binary stream if nobody used it any more
        self._binary: Any = getattr(stream.buffer, "raw", stream.buffer)  # unbuffered with -u
        self.name = stream.name

    def write(self, content: Any) -> int | None:
        try:
            return cast("int | None", self._binary.write(content))
        except OSError:
            return len(content)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return cast("int", self._binary.fileno())

    def isatty(self) -> bool:
        return cast("bool", self._binary.isatty())


def _open_tolerant(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(_Tolerant(stream)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=True,
        write_through=stream.write_through,
    )


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
