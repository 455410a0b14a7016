"""What signals do to a coordinator."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import HEADRACE, Shell, open_site


def test_a_coordinator_ends_in_good_order(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            job = site.shell.run("submit", "primes", "count", "0", "100", "--detach").out.strip()
            site.coordinator.send(number)
            assert site.coordinator.wait() == 0
            site.coordinator.wait_for("stopping")
            assert not (site.data / "headrace.db-wal").exists(), "the log is folded into the file"
            site.restart_coordinator()
            assert job in site.shell.run("jobs").out


def test_a_coordinator_started_with_nohup_stays_when_its_terminal_goes(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    script = """if True:
        import os, signal, sys
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.execv(sys.argv[1], sys.argv[1:])
    """
    with subprocess.Popen(
        [sys.executable, "-c", script, HEADRACE, "coordinator", "--bind", "127.0.0.1:0",
         "--no-http", "--data", tmp_path / "data"],
        stderr=subprocess.PIPE, text=True, env=shell.environment,
    ) as coordinator:  # fmt: skip
        assert coordinator.stderr
        for line in coordinator.stderr:
            if "data in" in line:
                break
        coordinator.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            coordinator.wait(1)
        coordinator.send_signal(signal.SIGTERM)
        assert coordinator.wait(30) == 0
