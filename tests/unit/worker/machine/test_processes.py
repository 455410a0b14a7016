"""What processes take, and that those which are gone take nothing."""

from __future__ import annotations

import os
import subprocess
import sys

from headrace_worker.machine.processes import read_cpu_seconds, read_rss_bytes


def test_this_process_has_memory_and_has_used_time() -> None:
    assert read_rss_bytes(os.getpid()) > 1 << 20
    assert read_cpu_seconds(os.getpid()) > 0


def test_the_time_of_children_that_were_waited_for_counts() -> None:
    before = read_cpu_seconds(os.getpid())
    work = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
    assert read_cpu_seconds(os.getpid()) - before >= 0.1


def test_a_process_that_is_gone_takes_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)
        assert read_rss_bytes(gone.pid) == 0, "a zombie"
    assert read_rss_bytes(gone.pid) == 0
    assert read_cpu_seconds(gone.pid) == 0
