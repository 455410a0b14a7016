"""Runs commands of other programs with a time limit, and describes failures in one line."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO

from headrace_wire.errors import HeadraceError
from headrace_wire.open_files import explain_system_error
from headrace_wire.system.own_group import OWN_GROUP

#: How many seconds a command that is told to end may take.
END_SECONDS = 5.0

#: The last line of a command's output is searched in this many bytes at its end.
END_BYTES = 16 << 10

#: How many characters of a command's output are shown.
SAID_CHARACTERS = 300


class CommandFailedError(HeadraceError):
    """A command of another program failed, or did not end in time."""


def run_command(
    command: str | Sequence[str], seconds: float, settings: Mapping[str, str] | None = None
) -> str:
    """Run a command and return what it printed on standard output. Text is run by the shell.

    ``settings`` are added to its environment. Raises CommandFailedError if it cannot be started, if
    it fails, or if it has not ended within this many seconds; then it is killed, with all that it
    started.
    """
    shown = command if isinstance(command, str) else " ".join(command)
    with contextlib.ExitStack() as stack:
        try:
            # Files instead of pipes: processes that inherit a pipe from the command may outlive it.
            out, errors = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
            process = subprocess.Popen(  # noqa: S603 - it is the user's own
                command,
                shell=isinstance(command, str),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                env={**os.environ, **(settings or {})},
                **OWN_GROUP,
            )
        except OSError as error:
            raise CommandFailedError(
                f"`{shown}` cannot be started: {explain_system_error(error)}"
            ) from None
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            said = _find_last(errors, out)
            raise CommandFailedError(
                f"`{shown}` did not end within {seconds:g} s, and was killed{said}"
            ) from None
        except BaseException:
            _end(process)
            raise
        if code:
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            raise CommandFailedError(f"`{shown}` failed ({how}){_find_last(errors, out)}")
        out.seek(0)
        return out.read().decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it has started: first politely, and then by killing what is left."""
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, number)
            else:
                process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)


def _find_last(*files: IO[bytes]) -> str:
    """Return the last line that a command wrote, to the first of these files that is not empty."""
    last = ""
    for file in files:
        file.seek(max(0, file.seek(0, os.SEEK_END) - END_BYTES))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
        last = last or next((line for line in reversed(lines) if line), "")
    shown = "".join(one if one.isprintable() else "?" for one in last[:SAID_CHARACTERS])
    return f": {shown}" if shown else ""
