"""Celery: one worker that forks two processes; broker and results in Redis."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.systems.redis_system import RESULT_SECONDS, RedisSystem, run_ahead
from benchmarks.systems.system import SLOTS, Function, System


def make(name: str) -> System:
    del name
    return CeleryWorkers()


class CeleryWorkers(RedisSystem):
    """For many it has chunks: a list of arguments in one message."""

    packages = ("celery", "kombu", "redis")

    def __init__(self) -> None:
        super().__init__()
        self._app: Any = None

    def start_workers(self) -> None:
        self.start_python(
            "-m", "celery", "--app", "benchmarks.systems.celery_tasks", "worker",
            "--concurrency", str(SLOTS), "--pool", "prefork", "--loglevel", "WARNING",
            "--without-gossip", "--without-mingle", "--without-heartbeat",
            C_FORCE_ROOT="1",
        )  # fmt: skip
        module = importlib.import_module("benchmarks.systems.celery_tasks")
        self._app, self._tasks = module.app, module.TASKS

    def call(self, function: Function, argument: Any) -> Any:
        return _receive(self._tasks[function].delay(argument))

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        return run_ahead(self._tasks[function].delay, _receive, arguments)

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        size = max(1, len(arguments) // (SLOTS * 4))
        chunks = self._tasks[function].chunks(zip(arguments, strict=True), size)
        lists = chunks.apply_async().get(timeout=RESULT_SECONDS)
        return [result for results in lists for result in results]

    def stop(self) -> None:
        if self._app:
            # Else each result that was not waited for would try for long to reach Redis.
            self._app.backend.result_consumer.subscribed_to.clear()
        super().stop()


def _receive(result: Any) -> Any:
    return result.get(timeout=RESULT_SECONDS)
