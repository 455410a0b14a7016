"""Waiting for spans that were cancelled while they ran on a Dask cluster, which a test makes up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from headrace_worker.engines import dask_cancelled
from headrace_worker.engines.dask_cancelled import CancelledSpans
from headrace_worker.engines.grid import GridAwayError


class Processes:
    """The spans that run, and what goes wrong when they are asked for."""

    def __init__(self, *running: str) -> None:
        self.running = set(running)
        self.troubles: list[Exception] = []
        self.questions = 0
        self.asked = asyncio.Event()

    async def list_running(self) -> set[str]:
        self.questions += 1
        self.asked.set()
        if self.troubles:
            raise self.troubles.pop()
        return set(self.running)

    async def wait_for_question(self) -> None:
        self.asked.clear()
        await self.asked.wait()


@pytest.fixture(autouse=True)
def _ask_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cancelled, "FIRST_SECONDS", 0.001)
    monkeypatch.setattr(dask_cancelled, "PAUSE_SECONDS", 0.001)


def run(check: Callable[[Processes, CancelledSpans], Awaitable[None]], *running: str) -> None:
    async def live() -> None:
        processes = Processes(*running)
        async with asyncio.timeout(30):
            await check(processes, CancelledSpans(processes.list_running))

    asyncio.run(live())


def test_each_span_is_waited_for_until_no_process_has_it() -> None:
    async def check(processes: Processes, spans: CancelledSpans) -> None:
        first, second = (asyncio.create_task(spans.wait_for(key)) for key in ("a", "b"))
        await processes.wait_for_question()
        processes.running = {"b"}
        await first
        await processes.wait_for_question()
        assert not second.done()
        processes.running = set()
        await second
        before = processes.questions
        await asyncio.sleep(0.02)
        assert processes.questions == before, "nobody is waited for, so nobody is asked"
        await spans.wait_for("c")  # it had not begun

    run(check, "a", "b")


def test_while_the_cluster_does_not_answer_it_is_asked_again() -> None:
    async def check(processes: Processes, spans: CancelledSpans) -> None:
        processes.troubles = [GridAwayError("away"), TimeoutError(), OSError("lost")]
        await spans.wait_for("a")
        assert processes.questions == 4

    run(check)


def test_when_the_cluster_is_left_nobody_is_waited_for() -> None:
    async def check(processes: Processes, spans: CancelledSpans) -> None:
        waiting = asyncio.create_task(spans.wait_for("a"))
        await processes.wait_for_question()
        spans.forget()
        await waiting

    run(check, "a")


def test_whoever_is_cancelled_again_does_not_wait() -> None:
    async def check(processes: Processes, spans: CancelledSpans) -> None:
        waiting = asyncio.create_task(spans.wait_for("a"))
        await processes.wait_for_question()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(check, "a")
