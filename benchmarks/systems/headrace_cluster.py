"""headrace as in production: coordinator, worker and client are processes apart and speak TCP.

The store is on disk, metrics are served, and nothing is set but addresses and what tasks may use.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import headrace
from benchmarks.systems.processes import ROOT, Processes
from benchmarks.systems.system import SLOTS, Function, System


def make(name: str) -> System:
    del name
    return HeadraceCluster()


class HeadraceCluster:
    """A coordinator and one worker with two slots; ``tls`` as for the coordinator."""

    def __init__(self, tls: str = "auto") -> None:
        self._tls = tls
        # Beside the repository's other build products: /tmp may be in memory.
        base = ROOT / ".bench"
        base.mkdir(exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=base)
        self.folder = Path(self._folder.name)
        self._processes = Processes(self.folder)
        self.address = self.http = ""
        self._pool: headrace.Pool | None = None

    @property
    def key_file(self) -> Path:
        return self.folder / "key"

    def versions(self) -> dict[str, str]:
        return {"headrace": version("headrace")}

    def start(self) -> None:
        coordinator = self._processes.start(
            [sys.executable, "-m", "headrace", "coordinator", "--bind", "127.0.0.1:0",
             "--http", "127.0.0.1:0", "--data", str(self.folder / "data"),
             "--key-file", str(self.key_file), "--tls", self._tls, "--announce"],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert coordinator.stdout is not None
        announced = json.loads(coordinator.stdout.readline())
        self.address, self.http = announced["address"], announced["http"]
        self._processes.start_python(
            "-m", "headrace", "worker", "--coordinator", self.address,
            "--key-file", str(self.key_file), "--slots", str(SLOTS),
            "--allow", "benchmarks.tasks", "--path", str(ROOT),
            "--shared-root", str(self.folder.parent),
        )  # fmt: skip
        self._pool = headrace.Pool(self.address, key_file=self.key_file)

    @property
    def pool(self) -> headrace.Pool:
        assert self._pool is not None, "it was started"
        return self._pool

    def list_roots(self) -> list[int]:
        return self._processes.list_numbers()

    def call(self, function: Function, argument: Any) -> Any:
        return self.pool.apply(function, (argument,))

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        return self.pool.imap_unordered(function, arguments)

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        return self.pool.map(function, arguments)

    def stop(self) -> None:
        if self._pool:
            self._pool.terminate()
        self._processes.stop()
        self._folder.cleanup()
