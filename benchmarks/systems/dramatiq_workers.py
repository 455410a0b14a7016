"""Dramatiq: two processes with one thread each; broker and results in Redis."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any

import dramatiq

from benchmarks.systems.redis_system import RESULT_SECONDS, RedisSystem, run_ahead
from benchmarks.systems.system import SLOTS, Function, System

#: Messages that a process takes in at once; the default is two for a thread.
PREFETCH = 16


def make(name: str) -> System:
    del name
    return DramatiqWorkers()


class DramatiqWorkers(RedisSystem):
    """For many it has groups, of one message each."""

    packages = ("dramatiq", "redis")

    def start_workers(self) -> None:
        self.start_python(
            "-m", "dramatiq", "benchmarks.systems.dramatiq_tasks",
            "--processes", str(SLOTS), "--threads", "1",
            dramatiq_queue_prefetch=str(PREFETCH),
        )  # fmt: skip
        self._actors = importlib.import_module("benchmarks.systems.dramatiq_tasks").ACTORS

    def call(self, function: Function, argument: Any) -> Any:
        return _receive(self._actors[function].send(argument))

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        return run_ahead(self._actors[function].send, _receive, arguments)

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        actor = self._actors[function]
        group = dramatiq.group(actor.message(argument) for argument in arguments).run()
        return list(group.get_results(block=True, timeout=RESULT_SECONDS * 1000))


def _receive(message: Any) -> Any:
    return message.get_result(block=True, timeout=RESULT_SECONDS * 1000)
