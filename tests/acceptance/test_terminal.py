"""What people see on a terminal, in a real one: tmux."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from support.commands import HEADRACE

pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


def test_a_terminal_shows_progress_and_a_pipe_does_not(tmp_path: Path) -> None:
    # Named from within its folder: the path of a socket has room for 107 bytes.
    def tmux(*words: str) -> str:
        return subprocess.run(
            ["tmux", "-S", "socket", "-f", "/dev/null", *words],
            check=True, capture_output=True, text=True, cwd=tmp_path,
        ).stdout  # fmt: skip

    where = shlex.join([f"HOME={tmp_path}", HEADRACE])
    command = f"env {where} run primes count 0 3e10 --slots 1; sleep 60"
    tmux("new-session", "-d", "-x", "100", "-y", "24", command)
    try:
        seen = ""
        for _ in range(600):
            screen = tmux("capture-pane", "-p")
            if "/17" in screen:
                seen = screen
            if "speed-up" in screen:
                break
            threading.Event().wait(0.1)
        assert "primes count  [" in seen
        assert "1300005926" in screen
        assert "17 tasks, 0 failed" in screen
    finally:
        tmux("kill-server")
