"""promtool, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

#: Seconds for promtool.
PATIENCE_SECONDS = 120


def run_promtool(*arguments: str | Path, stdin: str = "") -> str:
    """What promtool prints; fails when it complains, and skips the test where it is not there."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: it comes with Prometheus")
    done = subprocess.run(
        [found, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
