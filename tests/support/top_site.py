"""``headrace top`` on a coordinator in this process, with a worker that does what a test says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from textual.events import Key
from textual.pilot import Pilot

from headrace.cli.top.app import TopApp
from headrace.cli.top.view import View
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.batch import pack_batch
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.leases import Lease, LeaseRequest
from headrace_wire.messages.logs import JobLines, LogLine
from headrace_wire.messages.reports import DoneSpan, Report
from headrace_wire.messages.workers import Heartbeat, Orders
from support.coordinators import run_coordinator
from support.queue_builders import make_spec, make_worker

#: What is typed by keys that have names.
CHARACTERS = {"space": " ", "enter": "\r", "escape": "\x1b"}

#: Messages by which one leads to another, from a key to what it does.
HOPS = 3

#: Seconds between two looks, and for what is to appear.
INTERVAL = 0.1
PATIENCE_SECONDS = 20.0


class TopSite:
    """A coordinator, and one worker whose tasks are done when the test says so."""

    def __init__(self, folder: Path) -> None:
        self._settings = CoordinatorSettings(
            folder / "data", folder / "key", bind=Address("127.0.0.1", 0), http=None
        )
        self._running = ExitStack()
        self.start()
        self._requests = self._reports = 0

    def start(self) -> None:
        coordinator = self._running.enter_context(run_coordinator(self._settings))
        self.address = coordinator.bound
        self._settings = CoordinatorSettings(
            self._settings.data, self._settings.key_file, bind=self.address, http=None
        )
        self.manager = self.open_manager()
        self._running.callback(self.manager.close)
        self.jobs = self.manager.jobs()

    def stop(self) -> None:
        self._running.close()

    def open_manager(self, key: str = "key") -> QueueManager:
        return QueueManager(self.address, load_key(self._settings.key_file.with_name(key)))

    def submit(self, job: str, tasks: int = 4, **fields: object) -> None:
        self.jobs.submit(make_spec(job, tasks, **fields))

    def beat(self) -> Orders:
        """What the worker is told to do."""
        return self.jobs.heartbeat(Heartbeat("alpha", self._requests, (), 0, 0, False, 0.0))

    def do_all(self) -> None:
        """Have the worker lease tasks, and do them."""
        lease = self._lease()
        values = pack_batch([b"1"] * (lease.stop - lease.start))
        done = DoneSpan(lease.id, lease.job, lease.start, lease.stop, values, 0.1, 0.1)
        self._reports += 1
        self.manager.results().report(Report("alpha", self._reports, (done,), (), (), ()))

    def _lease(self) -> Lease:
        self.jobs.register(make_worker("alpha", slots=2), ())
        self._requests += 1
        grant = self.jobs.lease(LeaseRequest("alpha", self._requests, 2, 1.0, ()))
        return grant.leases[0]

    def fail_first(self, error: str, log: str = "") -> None:
        """Have the worker lease tasks, fail the first of them, and do the others."""
        lease = self._lease()
        failure = TaskFailure(
            lease.id, lease.job, lease.start, lease.attempt, "error", "", "ValueError", error,
            f"Traceback (most recent call last):\n  ...\nValueError: {error}", "the first", "alpha",
        )  # fmt: skip
        values = pack_batch([b"1"] * (lease.stop - lease.start - 1))
        done = DoneSpan(lease.id, lease.job, lease.start + 1, lease.stop, values, 0.1, 0.1)
        lines = (LogLine(time.time(), "info", "alpha", lease.start, log),) if log else ()
        self._reports += 1
        done_runs = (done,) if lease.stop > lease.start + 1 else ()
        said = (JobLines(lease.job, lines),)
        self.manager.results().report(
            Report("alpha", self._reports, done_runs, (failure,), (), (), said)
        )


class Screen:
    """What is on the terminal of a ``headrace top``, and its keys."""

    def __init__(self, pilot: Pilot[int]) -> None:
        self._pilot = pilot

    @property
    def app(self) -> TopApp:
        app = self._pilot.app
        assert isinstance(app, TopApp)
        return app

    def read(self) -> str:
        """The lines of the terminal."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        """Press keys; what they do is waited for, and not that the whole process has a rest."""
        for key in keys:
            self.app.post_message(Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)))
            for _ in range(HOPS):
                await self._pilot.pause(0)

    async def answer(self, key: str) -> None:
        """Press the key of an action, and say yes."""
        await self.press(key)
        await self.wait_for("y: yes")
        await self.press("y")
        await self.wait_until_gone("y: yes")

    async def resize(self, width: int, height: int) -> None:
        await self._pilot.resize_terminal(width, height)

    async def wait_for(self, text: str) -> str:
        """The screen as soon as this is on it."""
        return await self._wait(text, is_wanted=True)

    async def wait_until_gone(self, text: str) -> str:
        """The screen as soon as this is not on it any more."""
        return await self._wait(text, is_wanted=False)

    async def _wait(self, text: str, *, is_wanted: bool) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (text in (shown := self.read())) != is_wanted:
            assert time.monotonic() < deadline, f"{text!r}, is_wanted={is_wanted}:\n{shown}"
            await asyncio.sleep(0.02)
        return shown


@asynccontextmanager
async def open_top(
    site: TopSite, width: int = 80, height: int = 24, key: str = "key"
) -> AsyncIterator[Screen]:
    """Run it without a terminal."""
    manager = site.open_manager(key)
    jobs, results = manager.async_jobs(), manager.async_results()
    app = TopApp(View(jobs, results), INTERVAL, "here")
    try:
        async with app.run_test(size=(width, height)) as pilot:
            yield Screen(pilot)
    finally:
        jobs.close(for_good=True)
        results.close(for_good=True)
        manager.close()
