"""A coordinator as in production, with a crowd at it and a look at what it uses."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Self

import psutil

import headrace
from benchmarks.systems.processes import ROOT, Processes
from benchmarks.systems.system import SLOTS
from headrace_coordinator.monitoring.scrapes import FRESH_SECONDS

#: Processes that a crowd is shared out to.
CROWD_PROCESSES = 2

#: Seconds for a crowd to come.
ARRIVAL_SECONDS = 30.0

#: Seconds after which a coordinator has given back what memory it does not use.
QUIET_SECONDS = 4.0


class CrowdedCluster:
    """Entered it has all its workers; left it is gone, and so is all that it stored."""

    def __init__(self, workers: int, slots: int = SLOTS) -> None:
        self.workers, self.slots = workers, slots
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            base = ROOT / ".bench"
            base.mkdir(exist_ok=True)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=base)))
            processes = Processes(folder)
            stack.callback(processes.stop)
            self.key_file = folder / "key"
            coordinator = processes.start(
                [sys.executable, "-m", "headrace", "coordinator", "--bind", "127.0.0.1:0",
                 "--http", "127.0.0.1:0", "--data", str(folder / "data"),
                 "--key-file", str(self.key_file), "--announce"],
                stdout=subprocess.PIPE,
            )  # fmt: skip
            assert coordinator.stdout is not None
            announced = json.loads(coordinator.stdout.readline())
            self.process = psutil.Process(coordinator.pid)
            self.address: str = announced["address"]
            self.http: str = announced["http"]
            self.metrics = f"http://{self.http}/metrics"
            for place in range(min(CROWD_PROCESSES, self.workers)):
                part = len(range(place, self.workers, CROWD_PROCESSES))
                processes.start_python(
                    "-m", "benchmarks.crowd",
                    self.address, str(self.key_file), str(part), str(self.slots),
                )  # fmt: skip
            self.cluster = stack.enter_context(
                headrace.Cluster(self.address, key_file=self.key_file)
            )
            self._wait_for_crowd()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def read_cpu_seconds(self) -> float:
        """CPU time that the coordinator has used, to the nanosecond."""
        return read_cpu_seconds(self.process.pid)

    def read_memory_bytes(self) -> int:
        """The coordinator's memory when it has been quiet, its part of shared pages included."""
        time.sleep(QUIET_SECONDS)
        return int(self.process.memory_full_info().pss)

    def count_leases(self) -> float:
        """How many leases the coordinator has granted so far."""
        time.sleep(FRESH_SECONDS)  # so that nobody is told what was so before
        with urllib.request.urlopen(self.metrics, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        counted = [line for line in lines if line.startswith("headrace_queue_wait_seconds_count")]
        return sum(float(line.rpartition(" ")[2]) for line in counted)

    def _wait_for_crowd(self) -> None:
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while self.cluster.engine.jobs.info().workers < self.workers:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all of {self.workers} workers came")
            time.sleep(0.02)


def read_cpu_seconds(process: int) -> float:
    """CPU time that a process has used, to the nanosecond."""
    # The clock of another process, as clock_getcpuclockid(3) numbers it.
    return time.clock_gettime(~process << 3 | 2)
