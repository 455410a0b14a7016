"""A real Ray cluster of two machines, as far as Ray is concerned, with one processor each."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from support.commands import Process, Site, wait_until
from support.engine_code import ENGINE_OPTIONS

#: Ray as it would be run by hand.
RAY = str(Path(sys.executable).with_name("ray"))

#: What every machine of a test has: little memory, and ports that no other one has on this host.
OPTIONS = (
    "--block", "--num-cpus", "1", "--object-store-memory", str(100 << 20),
    "--min-worker-port", "0", "--max-worker-port", "0", "--disable-usage-stats",
)  # fmt: skip

#: Ray would write a token into the home folder.
SETTINGS = {"RAY_AUTH_MODE": "disabled", "RAY_ADDRESS": ""}


#: What Ray may take to start a cluster, or to let somebody in, on a machine that has much to do.
READY_SECONDS = 120.0


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs, or could run."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_start(parent: int) -> tuple[list[psutil.Process], Path]:
    """Wait until a process of headrace has begun to start a cluster of its own.

    Returns the processes below it, and the folder that belongs to the cluster.
    """
    found: list[str] = []

    def find() -> list[str]:
        commands = [one.cmdline() for one in psutil.Process(parent).children(recursive=True)]
        folder = r"/tmp/headrace-(?:ray-)?\w+(?=/(?:\w+/)?ray/session_)"
        found[:] = re.findall(folder, str(commands))
        return found

    wait_until(find, READY_SECONDS)
    return psutil.Process(parent).children(recursive=True), Path(found[0])


@dataclass
class RayCluster:
    """Its processes are ended with those that started them here."""

    #: Sockets lie in it, whose names have to be short.
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="ray-")))
    address: str = ""
    machines: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """The machine that the others look for, and another one."""
        words = ["--port", "0", "--include-dashboard", "false", "--temp-dir", str(self.folder)]
        self._start("--head", *words)

        def read() -> bool:
            found = (self.folder / "log").read_text()
            _, mark, rest = found.partition("--address='")
            self.address = rest.partition("'")[0]
            return bool(mark)

        wait_until(read, READY_SECONDS)
        self.add_machine()

    def add_machine(self) -> subprocess.Popen[bytes]:
        return self._start("--address", self.address)

    def remove_machine(self, machine: subprocess.Popen[bytes]) -> None:
        machine.send_signal(signal.SIGTERM)
        machine.wait(30)

    def list_processes(self, machine: subprocess.Popen[bytes]) -> dict[int, str]:
        """The names of all processes of a machine, those that run tasks too."""
        return {one.pid: one.name() for one in psutil.Process(machine.pid).children(recursive=True)}

    def kill_machine(self, machine: subprocess.Popen[bytes]) -> None:
        """Kill what makes it a machine of the cluster."""
        for pid, name in self.list_processes(machine).items():
            if name == "raylet":
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        for machine in reversed(self.machines):
            if machine.poll() is None:
                self.remove_machine(machine)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            machine = subprocess.Popen(
                [RAY, "start", *OPTIONS, *words],
                env=os.environ | SETTINGS,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.machines.append(machine)
        return machine

    @property
    def words(self) -> list[str]:
        """Has a command use this cluster."""
        return ["--engine", "ray", "--ray-address", self.address]

    @property
    def title(self) -> str:
        return f"the Ray cluster at {self.address}"

    def add_engine(self, site: Site) -> Process:
        """A worker whose tasks run on the cluster, once both of its machines are there."""
        worker = site.add_worker(*self.words, *ENGINE_OPTIONS, ready_seconds=READY_SECONDS)
        with site.open_cluster() as opened:
            wait_until(lambda: [one.slots for one in opened.workers()] == [2], 60.0)
        return worker
