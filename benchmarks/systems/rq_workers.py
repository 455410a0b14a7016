"""RQ: two workers, that fork for each task or, as RQ's simple workers, do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from redis import Redis
from rq import Queue

from benchmarks.systems.redis_system import RESULT_SECONDS, RedisSystem, run_ahead
from benchmarks.systems.system import SLOTS, Function, System


def make(name: str) -> System:
    return RQWorkers("rq.SimpleWorker" if name == "RQ simple" else "rq.Worker")


class RQWorkers(RedisSystem):
    """Functions go by name and need no registration."""

    packages = ("rq", "redis")

    def __init__(self, worker_class: str) -> None:
        super().__init__()
        self._worker_class = worker_class

    def start_workers(self) -> None:
        for _ in range(SLOTS):
            self.start_python(
                "-m", "rq.cli", "worker", "--quiet", "--worker-class", self._worker_class,
                "--config", "benchmarks.systems.rq_settings", "--disable-job-desc-logging",
            )  # fmt: skip
        self._queue = Queue(connection=Redis.from_url(self.url))

    def call(self, function: Function, argument: Any) -> Any:
        return _receive(self._send(function, argument))

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        return run_ahead(lambda argument: self._send(function, argument), _receive, arguments)

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        data = [Queue.prepare_data(function, (each,), description="-") for each in arguments]
        return [_receive(job) for job in self._queue.enqueue_many(data)]

    def _send(self, function: Function, argument: Any) -> Any:
        # Its own description would hold the whole argument once more, as text.
        return self._queue.enqueue(function, argument, description="-")


def _receive(job: Any) -> Any:
    result = job.latest_result(timeout=RESULT_SECONDS)
    if result is None or result.type is not result.Type.SUCCESSFUL:
        raise RuntimeError(result.exc_string if result else "no result in time")
    return result.return_value
