"""Ray: a node on this machine with two CPUs, started by its client and ended with it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray
from ray.util.multiprocessing import Pool

from benchmarks.systems.processes import ROOT
from benchmarks.systems.system import SLOTS, Function, System

#: Tasks that are sent together, and whose results are asked for together.
BATCH = 256


def make(name: str) -> System:
    del name
    return RayCluster()


class RayCluster:
    """For many it has a pool of actors, which take chunks as the standard library's pool does."""

    def __init__(self) -> None:
        base = ROOT / ".bench"
        base.mkdir(exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=base)
        self._session: Path | None = None
        self._remotes: dict[Function, Any] = {}
        self._pool: Any = None

    def versions(self) -> dict[str, str]:
        return {"ray": version("ray")}

    def start(self) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        # It would make one in the home directory, and leave it there.
        token = Path(self._folder.name) / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
        # Inherited by the workers, which import the tasks.
        os.environ["PYTHONPATH"] = str(ROOT)
        context = ray.init(num_cpus=SLOTS, include_dashboard=False, log_to_driver=False)
        self._session = Path(context.address_info["session_dir"])

    def list_roots(self) -> list[int]:
        """None: all its processes are children of this one."""
        return []

    def call(self, function: Function, argument: Any) -> Any:
        return ray.get(self._find_remote(function).remote(argument))

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        remote = self._find_remote(function).remote
        sent: list[Any] = []
        for begin in range(0, len(arguments), BATCH):
            # One batch is under way while the one before it is taken in.
            before, sent = sent, [remote(each) for each in arguments[begin : begin + BATCH]]
            yield from ray.get(before)
        yield from ray.get(sent)

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        if self._pool is None:
            # Its actors ask for no CPU: else no other task would run beside them.
            self._pool = Pool(SLOTS, ray_remote_args={"num_cpus": 0})
        return list(self._pool.map(function, arguments))

    def stop(self) -> None:
        ray.shutdown()
        if self._session:
            shutil.rmtree(self._session, ignore_errors=True)
        self._folder.cleanup()

    def _find_remote(self, function: Function) -> Any:
        if function not in self._remotes:
            self._remotes[function] = ray.remote(function)
        return self._remotes[function]
