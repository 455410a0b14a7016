"""Dask: a scheduler and two workers with one thread each, as processes of their own."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dask.bag
from distributed import Client, as_completed

from benchmarks.systems.processes import ROOT, Processes, find_free_port, wait_for_port
from benchmarks.systems.system import SLOTS, Function, System

#: Tasks that the scheduler hands to a worker beyond its threads, as a factor. Its default, 1.1, is
#: for large tasks that must not pile up; with more of them at hand, short ones need not wait.
SATURATION = 8


def make(name: str) -> System:
    del name
    return DaskCluster()


class DaskCluster:
    """For many it has bags, whose partitions are tasks."""

    def __init__(self) -> None:
        base = ROOT / ".bench"
        base.mkdir(exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=base)
        self._processes = Processes(Path(self._folder.name))
        self._client: Any = None

    def versions(self) -> dict[str, str]:
        return {name: version(name) for name in ("dask", "distributed")}

    def start(self) -> None:
        port = find_free_port()
        self._start_program(
            "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"
        )
        for _ in range(SLOTS):
            # Without a nanny, a process of its own that would start the worker anew.
            self._start_program(
                "worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-nanny",
                "--no-dashboard", "--local-directory", self._folder.name,
            )  # fmt: skip
        wait_for_port(port, 30.0)
        self._client = Client(f"tcp://127.0.0.1:{port}")

    def list_roots(self) -> list[int]:
        return self._processes.list_numbers()

    def call(self, function: Function, argument: Any) -> Any:
        return self._client.submit(function, argument, pure=False).result()

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        submit = self._client.submit
        futures = [submit(function, argument, pure=False) for argument in arguments]
        for batch in as_completed(futures, with_results=True).batches():
            for _, result in batch:
                yield result

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        bag = dask.bag.from_sequence(arguments, npartitions=SLOTS * 4)
        return list(bag.map(function).compute(scheduler=self._client))

    def stop(self) -> None:
        try:
            if self._client:
                self._client.close()
        finally:
            self._processes.stop()
            self._folder.cleanup()

    def _start_program(self, name: str, *arguments: str) -> None:
        self._processes.start(
            [sys.executable, "-m", "dask", name, *arguments],
            environment={"DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION": str(SATURATION)},
        )
