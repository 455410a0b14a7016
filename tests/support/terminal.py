"""A real terminal, with what is on its screen: tmux."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.commands import HEADRACE, wait_until

#: What is printed when a command has ended, before its exit code.
END = "ended with"

#: Seconds for a command that a test runs on a terminal.
PATIENCE_SECONDS = 60.0

#: Characters of a line: longer than what is printed.
WIDTH = 160


class Terminal:
    """A command that runs in a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        # Named from within its folder: the path of a socket has room for 107 bytes.
        self._folder = folder

    def tmux(self, *words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", "socket", "-f", "/dev/null", *words],
            check=True, capture_output=True, text=True, cwd=self._folder,
        ).stdout  # fmt: skip

    def read(self) -> list[str]:
        """The lines on the screen."""
        return self.tmux("capture-pane", "-p").rstrip("\n").split("\n")

    def press(self, key: str) -> None:
        self.tmux("send-keys", key)

    def wait_for(self, text: str) -> list[str]:
        """The screen as soon as this is on it."""
        seen: list[str] = []

        def look() -> bool:
            seen[:] = self.read()
            return any(text in line for line in seen)

        began = time.monotonic()
        try:
            wait_until(look, PATIENCE_SECONDS)
        except AssertionError:
            waited = time.monotonic() - began
            pytest.fail(f"no {text!r} after {waited:.0f} s, but:\n" + "\n".join(seen))
        return seen

    def finish(self) -> list[str]:
        """What is on the screen when the command has ended, with its exit code in the last line."""
        return self.wait_for(END)


@contextmanager
def open_terminal(
    folder: Path, *words: str | Path, settings: Mapping[str, str] | None = None, width: int = WIDTH
) -> Iterator[Terminal]:
    """Run ``headrace`` with these words in a terminal; skips the test where there is no tmux."""
    if not shutil.which("tmux"):
        pytest.skip("tmux is not installed")
    terminal = Terminal(folder)
    wanted = {"HOME": str(folder), **(settings or {})}
    # The readline of the process that tests has set its own idea of a terminal's size.
    command = ["env", "-u", "COLUMNS", "-u", "LINES"]
    command += [f"{name}={value}" for name, value in wanted.items()]
    command += [HEADRACE, *map(str, words)]
    line = f"cd {shlex.quote(str(folder))}; {shlex.join(command)}; echo {END} $?; sleep 600"
    terminal.tmux("new-session", "-d", "-x", str(width), "-y", "40", line)
    try:
        yield terminal
    finally:
        terminal.tmux("kill-server")
