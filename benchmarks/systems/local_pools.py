"""The standard library's two pools of local processes: no network, no store, no recovery."""

from __future__ import annotations

import multiprocessing
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

from benchmarks.systems.system import SLOTS, Function, System


def make(name: str) -> System:
    return LocalPool() if name == "multiprocessing.Pool" else LocalExecutor()


class LocalPool:
    """``multiprocessing.Pool``; one by one is ``chunksize=1``, its default for imap."""

    def versions(self) -> dict[str, str]:
        return {"Python": platform.python_version()}

    def start(self) -> None:
        self._pool = multiprocessing.get_context("fork").Pool(SLOTS)

    def list_roots(self) -> list[int]:
        return []

    def call(self, function: Function, argument: Any) -> Any:
        return self._pool.apply(function, (argument,))

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        return self._pool.imap_unordered(function, arguments)

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        return self._pool.map(function, arguments)

    def stop(self) -> None:
        self._pool.terminate()
        self._pool.join()


class LocalExecutor:
    """``concurrent.futures.ProcessPoolExecutor``."""

    def versions(self) -> dict[str, str]:
        return {"Python": platform.python_version()}

    def start(self) -> None:
        self._executor = ProcessPoolExecutor(SLOTS, multiprocessing.get_context("fork"))

    def list_roots(self) -> list[int]:
        return []

    def call(self, function: Function, argument: Any) -> Any:
        return self._executor.submit(function, argument).result()

    def stream(self, function: Function, arguments: Sequence[Any]) -> Iterator[Any]:
        futures = [self._executor.submit(function, argument) for argument in arguments]
        return (future.result() for future in as_completed(futures))

    def map(self, function: Function, arguments: Sequence[Any]) -> list[Any]:
        chunk = max(1, len(arguments) // (SLOTS * 4))
        return list(self._executor.map(function, arguments, chunksize=chunk))

    def stop(self) -> None:
        self._executor.shutdown(cancel_futures=True)
