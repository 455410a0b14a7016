"""A real Dask cluster of several processes, and a worker whose tasks run there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.commands import Process, Site, wait_until
from support.engine_code import ENGINE_OPTIONS

#: Has a process find no headrace.
BARE = """
import sys

for name in ("headrace", "headrace_services", "headrace_wire", "headrace_worker"):
    sys.modules[name] = None
"""

#: Dask as it would be run by hand.
DASK = str(Path(sys.executable).with_name("dask"))


@dataclass
class DaskCluster:
    """A scheduler and worker processes, each with one thread."""

    folder: Path
    environment: dict[str, str]
    port: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start it without headrace, which it need not have."""
        told = self.folder / "scheduler.json"
        told.unlink(missing_ok=True)
        words = ["--host", "127.0.0.1", "--port", str(self.port), "--scheduler-file", str(told)]
        scheduler = self._start("scheduler", *words, "--no-dashboard", "--no-show", bare=True)

        def read() -> bool:
            try:
                found = json.loads(told.read_text())["address"]
            except (OSError, ValueError):
                return False
            self.port = int(found.rpartition(":")[2])
            return True

        wait_until(read)
        return scheduler

    def add_worker(self, *options: str, bare: bool = False) -> subprocess.Popen[bytes]:
        """A nanny and its one process, or so many as are asked for; ``bare`` without headrace."""
        words = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder)]
        return self._start("worker", f"tcp://{self.address}", *words, *options, bare=bare)

    def _start(self, role: str, *words: str, bare: bool) -> subprocess.Popen[bytes]:
        environment = self.environment
        if bare:
            (self.folder / "bare").mkdir(exist_ok=True)
            (self.folder / "bare" / "sitecustomize.py").write_text(BARE)
            environment = {**environment, "PYTHONPATH": str(self.folder / "bare")}
        with (self.folder / f"{role}.log").open("ab") as log:
            process = subprocess.Popen(
                [DASK, role, *words], cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def count_processes(self) -> int:
        """How many processes have registered with the scheduler, by its own log."""
        return (self.folder / "scheduler.log").read_text().count("Register worker")

    def list_left(self) -> list[str]:
        """The tasks and plugins in the scheduler that are headrace's."""
        from distributed import Client  # noqa: PLC0415 - it may not be here

        def find(dask_scheduler: Any) -> list[str]:
            names = [*dask_scheduler.tasks, *dask_scheduler.plugins]
            return [name for name in names if name.startswith("headrace")]

        with Client(f"tcp://{self.address}", set_as_default=False) as client:
            left: list[str] = client.run_on_scheduler(find)
            return left

    @property
    def words(self) -> list[str]:
        """Has a command use this cluster."""
        return ["--engine", "dask", "--dask-scheduler", self.address]

    @property
    def title(self) -> str:
        return f"the Dask cluster at tcp://{self.address}"

    def add_engine(self, site: Site) -> Process:
        """A worker whose tasks run on the cluster, once both of its processes are there."""
        wait_until(lambda: self.count_processes() == 2)
        return site.add_worker(*self.words, *ENGINE_OPTIONS)
