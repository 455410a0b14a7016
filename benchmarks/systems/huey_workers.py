"""Huey: a consumer with two worker processes; queue and results in Redis."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.systems.redis_system import RESULT_SECONDS, RedisSystem, run_ahead
from benchmarks.systems.system import SLOTS, Function, System


def make(name: str) -> System:
    del name
    return HueyWorkers()


class HueyWorkers(RedisSystem):
    """For many it has ``map``, of one message each."""

    packages = ("huey", "redis")

    def start_workers(self) -> None:
        self.start_python(
            "-m", "huey.bin.huey_consumer", "benchmarks.systems.huey_tasks.huey",
            "--worker-type", "process", "--workers", str(SLOTS), "--no-periodic", "--quiet",
        )  # fmt: skip
        self._tasks = importlib.import_module("benchmarks.systems.huey_tasks").TASKS

    def call(self, function: Function, argument: Any) -> Any:
        return _receive(self._tasks[function](argument))

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        return run_ahead(self._tasks[function], _receive, arguments)

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        results = self._tasks[function].map(arguments)
        return list(results.get(blocking=True, timeout=RESULT_SECONDS))


def _receive(result: Any) -> Any:
    return result.get(blocking=True, timeout=RESULT_SECONDS)
