"""Taskiq: two worker processes, broker and results in Redis.

Tasks are plain functions, so a worker runs them in its thread pool, here of one thread.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any

from benchmarks.systems.redis_system import RESULT_SECONDS, RedisSystem
from benchmarks.systems.system import SLOTS, Function, System

#: Seconds between two looks for a result: there is no notification, and 0.2 by default.
LOOK_SECONDS = 0.001

#: Tasks that are sent together, and whose results are waited for together.
BATCH = 256

#: Tasks that a worker takes in at once; the default, 100, leaves the other one idle at the end.
TAKEN = 32


def make(name: str) -> System:
    del name
    return TaskiqWorkers()


class TaskiqWorkers(RedisSystem):
    """Its client is asynchronous: many are sent and waited for in a gather."""

    packages = ("taskiq", "taskiq-redis", "redis")

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._broker: Any = None

    def start_workers(self) -> None:
        self.start_python(
            "-m", "taskiq", "worker", "benchmarks.systems.taskiq_tasks:broker",
            "--workers", str(SLOTS), "--max-threadpool-threads", "1", "--no-parse",
            "--max-async-tasks", str(TAKEN), "--log-level", "WARNING",
        )  # fmt: skip
        module = importlib.import_module("benchmarks.systems.taskiq_tasks")
        self._tasks = module.TASKS
        self._broker = module.broker
        self._run(self._broker.startup())

    def call(self, function: Function, argument: Any) -> Any:
        return self._run(_call(self._tasks[function], argument))

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        task = self._tasks[function]
        sent: list[Any] = []
        for begin in range(0, len(arguments), BATCH):
            # One batch is under way while the one before it is taken in.
            sending = [task.kiq(argument) for argument in arguments[begin : begin + BATCH]]
            before, sent = sent, self._run(_gather(sending))
            yield from self._run(_receive_all(before))
        yield from self._run(_receive_all(sent))

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        return list(self.stream(function, arguments))

    def stop(self) -> None:
        if self._broker:
            self._run(self._broker.shutdown())
        self._loop.close()
        super().stop()

    def _run(self, what: Awaitable[Any]) -> Any:
        return self._loop.run_until_complete(what)


async def _call(task: Any, argument: Any) -> Any:
    return await _receive(await task.kiq(argument))


async def _gather(what: Sequence[Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*what))


async def _receive_all(tasks: Sequence[Any]) -> list[Any]:
    """Wait for the newest, which comes about last, and only then ask for the others."""
    newest = [await _receive(task) for task in tasks[-1:]]
    return await _gather([_receive(task) for task in tasks[:-1]]) + newest


async def _receive(task: Any) -> Any:
    result = await task.wait_result(LOOK_SECONDS, RESULT_SECONDS)
    result.raise_for_error()
    return result.return_value
