"""What the systems with Redis between client and workers have in common."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.systems.processes import ROOT, Processes
from benchmarks.systems.redis_server import URL_VARIABLE, read_redis_version, start_redis

#: Seconds to wait for a result before the measure fails.
RESULT_SECONDS = 60

#: Tasks that are handed in before the first result is asked for.
AHEAD = 256


class RedisSystem:
    """A Redis server, workers, and the packages whose versions count."""

    packages: tuple[str, ...] = ()

    def __init__(self) -> None:
        base = ROOT / ".bench"
        base.mkdir(exist_ok=True)
        self._folder = tempfile.TemporaryDirectory(dir=base)
        self._processes = Processes(Path(self._folder.name))
        self.url = ""

    def versions(self) -> dict[str, str]:
        return {name: version(name) for name in self.packages} | {"Redis": read_redis_version()}

    def start(self) -> None:
        self.url = start_redis(self._processes)
        # The modules with the tasks read it when they are imported, here as in the workers.
        os.environ[URL_VARIABLE] = self.url
        self.start_workers()

    def start_workers(self) -> None:
        raise NotImplementedError

    def start_python(self, *arguments: str, **environment: str) -> None:
        self._processes.start_python(*arguments, **environment)

    def list_roots(self) -> list[int]:
        return self._processes.list_numbers()

    def stop(self) -> None:
        self._processes.stop()
        self._folder.cleanup()


def run_ahead(
    send: Callable[[Any], Any],
    receive: Callable[[Any], Any],
    arguments: Sequence[Any],
    ahead: int = AHEAD,
) -> Iterator[Any]:
    """Send each argument, and receive results in that order, ``ahead`` of them outstanding."""
    waiting: deque[Any] = deque()
    for argument in arguments:
        waiting.append(send(argument))
        if len(waiting) == ahead:
            yield receive(waiting.popleft())
    while waiting:
        yield receive(waiting.popleft())
