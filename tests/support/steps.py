"""Calls that wait, for tests: begun in a loop of their own, and waited for like threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from headrace_wire.loop import Answer, Loop, Run

Given = TypeVar("Given")

#: Seconds for what must come.
PATIENCE_SECONDS = 20.0


class Calls:
    """A running loop, and the calls in it."""

    def __init__(self) -> None:
        self.loop = Loop("calls")
        self._runs: dict[Future[Any], Run] = {}

    def __enter__(self) -> Self:
        self.loop.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.loop.stop(PATIENCE_SECONDS)

    def begin(self, call: Answer[Given]) -> Future[Given]:
        """Let a call run."""
        future: Future[Given] = Future()

        def end(answer: Any, error: BaseException | None) -> None:
            if error:
                future.set_exception(error)
            else:
                future.set_result(answer)

        def run() -> None:
            self._runs[future] = Run(call, end)

        self.loop.call(run)
        return future

    def answer(self, call: Answer[Given]) -> Given:
        """A call's answer, or what it raises."""
        return self.begin(call).result(PATIENCE_SECONDS)

    def call_off(self, future: Future[Any]) -> None:
        self.run(self._runs[future].call_off)

    def run(self, callback: Callable[[], None]) -> None:
        """Run something in the loop's thread, to its end."""
        done = threading.Event()
        self.loop.call(callback)
        self.loop.call(done.set)
        assert done.wait(PATIENCE_SECONDS)

    def settle(self) -> None:
        """Let what is ready now be done."""
        self.run(lambda: None)
