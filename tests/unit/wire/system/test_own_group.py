"""Processes that have a group of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from headrace_wire.system.own_group import OWN_GROUP, kill_group

START_ANOTHER = """
import subprocess, sys, time

print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no such groups here")
def test_what_a_killed_process_has_started_is_killed_with_it() -> None:
    words = [sys.executable, "-c", START_ANOTHER]
    with subprocess.Popen(words, stdout=subprocess.PIPE, **OWN_GROUP) as process:
        assert process.stdout
        other = psutil.Process(int(process.stdout.readline()))
        kill_group(process)
        assert process.wait(30) < 0
        # It may be left as a zombie, where nobody collects those whose parent is gone.
        psutil.wait_procs([other], 30)
        assert not other.is_running() or other.status() == psutil.STATUS_ZOMBIE
        kill_group(process)  # it has ended: nothing happens
