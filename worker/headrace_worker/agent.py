"""The agent: the process of one worker, which feeds its pool from the job queue and reports back.

    coordinator ─► leaser ────► feeder ─► pool ─► slots
    coordinator ◄─ reporter ◄── feeder ◄─ pool ◄─ slots
    coordinator ◄► heartbeats ─► feeder
    signals ───────────────────► feeder

Everything runs in one thread with one event loop, which watches the slots, too. The leaser, the
reporter, the heartbeats and the fetching of data are tasks of one group, and each has its own
connection.

On SIGTERM, SIGINT or SIGHUP the worker drains: the leaser is cancelled, tasks that have not started
are handed back, and running tasks have ``drain_seconds`` to finish. Then the pool is closed, the
reporter delivers the remaining outcomes, and the worker signs off. A second signal kills the slots
at once.

Nothing that arrives, and nothing that a task makes, ends a worker: an invalid lease or outcome only
fails its tasks, and after an invalid answer the request is repeated. A worker ends if the
coordinator stays away or refuses it, or if slots cannot be started.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import socket
import time
from collections.abc import Coroutine
from contextlib import ExitStack, closing
from functools import partial

from msgspec.structs import replace

from headrace_services.registry import find_engines
from headrace_services.this_slot import Home
from headrace_wire.api import JobQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.bounds import MAX_IDENTIFIER_CHARACTERS, fit_name
from headrace_wire.encryption import is_loopback
from headrace_wire.engines import POOL
from headrace_wire.errors import HeadraceError, UnreachableError, UsageError
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages.workers import Registration, WorkerInfo
from headrace_wire.open_files import explain_limit, says_limit_reached
from headrace_wire.round_trip import RoundTrip
from headrace_wire.system.event_loop import run
from headrace_wire.system.landlock import hide_memory
from headrace_wire.system.memory import find_memory_limit
from headrace_wire.version import VERSION
from headrace_wire.window import Window
from headrace_wire.words import count
from headrace_worker import unreported
from headrace_worker.data import DataStore
from headrace_worker.engines.engine import Engine
from headrace_worker.engines.grid import Grid
from headrace_worker.feeder import Feeder
from headrace_worker.heartbeats import LONGEST_BEAT_SECONDS, Heartbeats
from headrace_worker.holdings import Holdings
from headrace_worker.key_guard import Guard, guard_key
from headrace_worker.launch.launcher import Launcher
from headrace_worker.lease_intake import LeaseIntake
from headrace_worker.leaser import LEASE_WAIT_SECONDS, Leaser
from headrace_worker.machine.cores import count_usable_cores, parse_slots
from headrace_worker.pool.pool import Pool
from headrace_worker.pool.tally import Tally
from headrace_worker.reporter import Reporter
from headrace_worker.sealing import seal_imports
from headrace_worker.settings import WorkerSettings
from headrace_worker.slot.slot import SlotSettings
from headrace_worker.stop_signals import StopSignals

log = logging.getLogger(__name__)

#: Seconds allowed for signing off, and for reporting the outcomes that an earlier worker kept.
FAREWELL_SECONDS = 10.0

#: Seconds allowed for the last report if the coordinator is away and outcomes are kept for the next
#: worker.
SHORT_FAREWELL_SECONDS = 1.0

#: How many seconds at least to wait for the answer to a heartbeat or a request for work, in
#: addition to the wait that was requested. It is a third of the lease if that is longer.
SHORTEST_ANSWER_SECONDS = 1.0

#: How many seconds to wait for the commit of a report before it is sent again.
REPORT_ANSWER_SECONDS = 15.0


class Agent:
    """One worker. ``run`` returns after the worker was told to stop and has stopped in good order.

    ``launcher`` starts the slots with the start method of the settings; None if there are no slots.
    Raises UsageError for invalid settings, KeyRefusedError, and UnreachableError if the coordinator
    stayed away for ``give_up_seconds``.
    """

    def __init__(self, settings: WorkerSettings, launcher: Launcher | None) -> None:
        self._settings = settings
        self._launcher = launcher
        cores = count_usable_cores()
        try:
            slots = parse_slots(settings.slots, cores)
        except ValueError as error:
            raise UsageError(str(error)) from None
        self._info = WorkerInfo(
            id=os.urandom(8).hex(),
            name=settings.name or make_name(),
            host=fit_name(socket.gethostname()),
            process=os.getpid(),
            slots=slots,
            slots_limit=cores.limit if settings.slots == "auto" else f"--slots {settings.slots}",
            start_method=settings.start_method,
            version=VERSION,
            engines=find_engines(settings.permits),
            cores=cores.cpus,
            memory_limit_bytes=find_memory_limit(),
            python=platform.python_version(),
            engine=settings.engine,
        )
        # First: if it fails, nothing else is logged.
        key = load_key(settings.key_file, *settings.other_key_files)
        self._guard = guard_key(settings) if settings.engine == POOL else Guard()
        if self._guard.closed:
            hide_memory()
        self._manager = QueueManager(
            settings.coordinator,
            key,
            patience_seconds=settings.give_up_seconds,
            on_lost=self._note_lost,
            encryption=settings.encryption,
        )
        self._news = asyncio.Event()
        self._stop = StopSignals(self._heed_signal)
        self._jobs = self._manager.async_jobs()
        self._beats = self._manager.async_jobs()
        self._results = self._manager.async_results()
        self._fetches = self._manager.async_jobs()
        self._holdings = Holdings()
        self._round_trip = RoundTrip()
        self._lost_logged = self._refusal_logged = False
        self._lost_at = 0.0  # monotonic
        self._introducing: asyncio.Task[Registration] | None = None
        #: The cluster that runs the tasks instead of a pool.
        self._grid: Grid | None = None
        #: Set when the cluster may have another number of slots.
        self._slots_news = asyncio.Event()

    def run(self) -> None:
        """Work until told to stop."""
        run(self._live())

    async def _live(self) -> None:
        try:
            with self._stop.handle():
                registration = await self._introduce()
                if registration:
                    await self._work(registration)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            for caller in (self._jobs, self._beats, self._results, self._fetches):
                caller.close()
            if self._grid:
                await self._grid.close()

    async def _introduce(self) -> Registration | None:
        """Register for the first time. Return None if the worker was told to stop before."""
        self._introducing = asyncio.create_task(self._open())
        try:
            return await self._introducing
        except asyncio.CancelledError:
            if not self._stop.requests:
                raise
            return None
        finally:
            self._introducing = None

    async def _open(self) -> Registration:
        """Open the cluster that runs the tasks, if there is one, and register."""
        if self._settings.engine != POOL:
            from headrace_worker.engines.opening import introduce_grid  # noqa: PLC0415 - few workers

            self._grid, self._info = await introduce_grid(self._settings, self._info)
        return await self._register(self._jobs)

    def _say_what_it_is(self) -> None:
        info, encryption = self._info, self._settings.encryption
        engines = ", ".join(f"{name} ({engine})" for name, engine in info.engines.items())
        log.info("worker %s: %s (%s)", info.name, count(info.slots, "slot"), info.slots_limit)
        log.info("serves %s; coordinator %s", engines, self._settings.coordinator)
        if encryption.mode == "off" and not is_loopback(self._settings.coordinator.host):
            log.warning(
                "--tls off: whoever is on the network between this worker and its coordinator "
                "reads all that they send, and can take over their connections"
            )

    def _limit_answers(self, lease_seconds: float) -> None:
        """Make calls on a broken link connect again before leases end."""
        answer_seconds = max(lease_seconds / 3, SHORTEST_ANSWER_SECONDS)
        self._jobs.answer_seconds = LEASE_WAIT_SECONDS + answer_seconds
        self._beats.answer_seconds = LONGEST_BEAT_SECONDS + answer_seconds
        self._results.answer_seconds = REPORT_ANSWER_SECONDS

    async def _work(self, registration: Registration) -> None:
        info, settings = self._info, self._settings
        if self._guard.loophole:
            seal_imports()  # before there are tasks
        self._say_what_it_is()
        self._limit_answers(registration.lease_seconds)
        holdings, register = self._holdings, self._register
        #: Set whenever more work may be wanted than before.
        wanted = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            with ExitStack() as stack:
                data = stack.enter_context(closing(DataStore()))
                pool = self._make_engine()
                stack.callback(pool.close, kill=True)
                round_trip = self._round_trip
                reporter = Reporter(
                    self._results, info, holdings, pool.tally, wanted, Window(round_trip)
                )
                intake = LeaseIntake(self._fetches, pool, reporter, holdings, data)
                feeder = Feeder(pool, intake, reporter, self._stop, self._news, wanted, round_trip)
                heartbeats = Heartbeats(
                    self._beats,
                    info,
                    pool,
                    feeder,
                    holdings,
                    register,
                    self._note_answer,
                    round_trip,
                )
                leaser = Leaser(
                    self._jobs, info.id, feeder, intake, holdings, register, Window(round_trip)
                )
                looks = self._begin(group, "looks", feeder.look())
                reports = self._begin(group, "reporter", reporter.run())
                beats = self._begin(
                    group, "heartbeats", heartbeats.run(registration.heartbeat_seconds)
                )
                await self._report_unreported(group)
                leases = self._begin(group, "leaser", leaser.run())
                fetches = self._begin(group, "fetcher of data", intake.fetch())
                slots = self._begin(group, "follower of slots", self._follow_slots())
                await feeder.feed()
                leases.cancel()
                in_time = await feeder.drain(settings.drain_seconds)
                looks.cancel()
                fetches.cancel()
                slots.cancel()
                if not in_time:
                    log.warning("tasks still run after %g s: they go back", settings.drain_seconds)
                    await asyncio.to_thread(partial(pool.close, call_off=True))
                beats.cancel()
            await self._take_leave(reporter)
            reports.cancel()

    def _make_engine(self) -> Engine:
        if self._grid:
            from headrace_worker.engines.opening import make_remote_engine  # noqa: PLC0415 - few workers

            return make_remote_engine(self._grid, self._settings, self._slots_news.set)
        assert self._launcher is not None, "a pool needs a launcher"
        return Pool(self._info.slots, self._launcher, self._make_slot_settings())

    async def _follow_slots(self) -> None:
        """Tell the coordinator when the number of slots changes, and why there are none."""
        while True:
            await self._slots_news.wait()
            self._slots_news.clear()
            assert self._grid, "the slots of a pool stay"
            from headrace_worker.engines.opening import tell_slots  # noqa: PLC0415 - few workers

            updated = tell_slots(self._grid, self._settings, self._info)
            if updated != self._info:
                log.info("worker %s: %s", updated.name, count(updated.slots, "slot"))
                self._info = updated
                await self._register(self._fetches)

    def _make_slot_settings(self) -> SlotSettings:
        settings = self._settings
        return SlotSettings(
            max_tasks=settings.max_tasks,
            max_rss_bytes=settings.max_rss_bytes,
            memory_limit_bytes=settings.memory_limit_bytes,
            permits=settings.permits,
            task_stdout=settings.task_stdout,
            log_format=settings.log_format,
            worker=self._info.name,
            program=settings.program,
            home=Home(settings.coordinator, settings.encryption),
            closed_folders=self._guard.closed,
        )

    def _begin(
        self, group: asyncio.TaskGroup, name: str, part: Coroutine[object, object, None]
    ) -> asyncio.Task[None]:
        """Run a part of the worker until it is cancelled. If the part ends by itself, the worker
        ends.
        """
        return group.create_task(self._keep(name, part), name=name)

    async def _keep(self, name: str, part: Coroutine[object, object, None]) -> None:
        try:
            await part
        except HeadraceError:
            if not self._stop.requests:
                raise
        except Exception as error:
            log.exception("the %s failed", name)
            if not self._stop.requests:
                why = explain_limit() if says_limit_reached(error) else repr(error)
                raise HeadraceError(f"the worker's {name} failed: {why}") from error

    async def _report_unreported(self, group: asyncio.TaskGroup) -> None:
        """Report what earlier workers could not report, before tasks are leased that are already
        done.
        """
        folder = self._settings.unreported
        for kept in unreported.take(folder) if folder else ():
            tasks = count(sum(span.stop - span.start for span in kept.done), "task")
            log.info("reporting the outcomes of %s that an earlier worker kept", tasks)
            earlier = replace(self._info, id=kept.worker)
            window = Window(self._round_trip)
            reporter = Reporter(
                self._results, earlier, Holdings(kept.held), Tally(), asyncio.Event(), window
            )
            reports = self._begin(group, "reporter for an earlier worker", reporter.run())
            reporter.add(kept.done)
            await reporter.finish(time.monotonic() + FAREWELL_SECONDS)
            reports.cancel()

    async def _take_leave(self, reporter: Reporter) -> None:
        folder = self._settings.unreported
        seconds = self._settings.farewell_seconds
        if folder and self._lost_logged:
            seconds = min(seconds, SHORT_FAREWELL_SECONDS)
        if not await reporter.finish(time.monotonic() + seconds):
            if folder:
                done = reporter.list_unreported()
                held = self._holdings.find_granted((span.lease for span in done), ())
                unreported.save(folder, done, self._info.id, held)
            else:
                log.warning("the last outcomes could not be delivered: those tasks will run again")
        # From here on, the worker does not wait for a coordinator that is away.
        once = self._manager.async_jobs(patient=False)
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await once.call(JobQueueApi.leave, self._info.id)
        except (HeadraceError, TimeoutError) as error:
            log.warning("left without a goodbye: %s", error or "no answer")
        finally:
            once.close()

    async def _register(self, jobs: AsyncCaller[JobQueueApi]) -> Registration:
        registration = await jobs.call(JobQueueApi.register, self._info, self._holdings.runs())
        self._note_answer()
        self._round_trip.note(jobs.answer_took)
        return registration

    def _note_answer(self) -> None:
        """Log once that the coordinator is back, whether it knows this worker or not."""
        if self._lost_logged:
            self._lost_logged = self._refusal_logged = False
            log.info("the coordinator answers again")

    def _note_lost(self, error: UnreachableError) -> None:
        if error.connected_at is not None and error.connected_at < self._lost_at:
            return  # it was lost together with the others, and this was noticed later
        self._lost_at = time.monotonic()
        is_news = not self._lost_logged or (error.refusal and not self._refusal_logged)
        if is_news and not self._stop.requests:
            self._lost_logged, self._refusal_logged = True, error.refusal is not None
            log.warning("%s; trying for %g s", error, self._settings.give_up_seconds)

    def _heed_signal(self) -> None:
        if self._introducing:
            self._introducing.cancel()
        self._news.set()


def make_name() -> str:
    """Return the host's name, shortened if necessary, and the process number."""
    process = f"-{os.getpid()}"
    return fit_name(socket.gethostname(), MAX_IDENTIFIER_CHARACTERS - len(process)) + process
