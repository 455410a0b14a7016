"""What processes take, and that those which are gone take nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from headrace_worker.machine.processes import (
    CpuMeter,
    Usage,
    read_cpu_seconds,
    read_rss_bytes,
    read_usage,
)


def test_this_process_has_memory_and_has_used_time() -> None:
    assert read_rss_bytes(os.getpid()) > 1 << 20
    assert read_cpu_seconds(os.getpid()) > 0
    usage = read_usage(os.getpid())
    assert usage.rss_bytes > 1 << 20
    assert usage.cpu_seconds > 0


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
    assert read_usage(gone.pid) == Usage(0, 0.0)


def test_the_share_of_a_core_is_that_since_the_last_look() -> None:
    seconds = 100.0
    meter = CpuMeter(lambda: seconds)
    seconds += 2.0
    assert meter.measure({1: 50.0, 2: 10.0}) == 0.0, "nothing is known of before"
    seconds += 2.0
    assert meter.measure({1: 52.0, 2: 11.0}) == pytest.approx(150.0)
    seconds += 2.0
    assert meter.measure({1: 52.0, 3: 1.0}) == pytest.approx(50.0), "one has gone, one is new"
    assert meter.measure({1: 53.0}) == 0.0, "no time has passed"
