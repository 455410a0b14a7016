"""What people see on a terminal, in a real one: tmux."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from support.commands import HEADRACE

pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed")


def test_a_terminal_shows_progress_and_a_pipe_does_not(tmp_path: Path) -> None:
    tmux = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    command = f"HOME={tmp_path} {HEADRACE} run primes count 0 1e11 --slots 1; sleep 60"
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "100", "-y", "24", command], check=True, cwd=tmp_path
    )
    try:
        seen = ""
        for _ in range(600):
            screen = subprocess.run(
                [*tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True
            ).stdout
            if "/50" in screen:
                seen = screen
            if "speed-up" in screen:
                break
            threading.Event().wait(0.1)
        assert "primes count  [" in seen
        assert "4118054813" in screen
        assert "50 tasks, 0 failed" in screen
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)
