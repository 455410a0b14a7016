"""The agent: one worker's process, which feeds its pool from the job queue and reports back.

    coordinator ─► leaser ─► Pool.submit ─► slots ─► Pool.poll ─► reporter ─► coordinator
    coordinator ─► heart ──► Pool.cancel, Pool.hand_back
    signals ───────────────► drain

All of it is one thread and one loop. Leaser, heart and reporter are calls in it, with a connection
each; so is the agent's own work, which goes on whenever slots have said something, a moment of the
pool's has come, or the worker is told to go. There are threads only to dial, and to close a pool
whose tasks have some time to end in.

Started in the order registration, pool, reporter, heart, leaser. On SIGTERM, SIGINT or SIGHUP it
drains: the leaser is called off, what has not started is handed back, running tasks have
``drain_seconds`` to finish; then the pool closes, the reporter delivers what is left, and the
worker takes its leave. A second signal kills the slots at once.

Nothing that arrives or that a task made ends a worker: what is wrong with a lease or an outcome is
that of its tasks, and an answer that makes no sense is asked for again. What ends it is a
coordinator that stays away or refuses it, and slots that cannot be started.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections import deque
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from headrace_services.home import Home
from headrace_services.registry import find_engines
from headrace_wire.api import JobQueueApi
from headrace_wire.bounds import MAX_IDENTIFIER_CHARACTERS, fit_name
from headrace_wire.errors import HeadraceError, UnreachableError, UsageError
from headrace_wire.heap import give_blocks_back, keep_large_blocks
from headrace_wire.key import load_key
from headrace_wire.loop import Answer, Loop, Run
from headrace_wire.loop_caller import LoopCaller
from headrace_wire.manager import QueueManager
from headrace_wire.messages import Lease, Orders, Registration, WorkerInfo
from headrace_wire.steps import Aside, Bell, Pause
from headrace_wire.version import VERSION
from headrace_wire.words import count
from headrace_worker.appetite import Appetite
from headrace_worker.condition import Condition
from headrace_worker.data import DataStore, read_needs
from headrace_worker.heart import LONGEST_BEAT_SECONDS, Heart
from headrace_worker.holdings import Holdings
from headrace_worker.launch.launcher import Launcher
from headrace_worker.leaser import LEASE_WAIT_SECONDS, Leaser
from headrace_worker.leases import is_tellable, list_missing, make_batch, refuse_lease
from headrace_worker.machine.cores import count_usable_cores, parse_slots
from headrace_worker.machine.processes import read_rss_bytes
from headrace_worker.pool.batch import Returned
from headrace_worker.pool.pool import Pool
from headrace_worker.reporter import Reporter
from headrace_worker.settings import WorkerSettings

log = logging.getLogger(__name__)

#: Seconds between looks at the memory of the slots.
LOOK_SECONDS = 2.0

#: When every slot has been in one task for longer than this, what waits here goes to others.
STUCK_SECONDS = 0.25

#: Bytes of values waiting to be reported beyond which no more work is asked for.
MAX_PENDING_BYTES = 16 << 20

#: Seconds for the last report and the goodbye, when the worker goes.
FAREWELL_SECONDS = 10.0

#: Seconds for which an answer to a heartbeat or a request for work is waited for at least, beyond
#: the wait that was asked for; a third of the lease if that is longer.
SHORTEST_ANSWER_SECONDS = 1.0

#: Seconds for which a report waits for its commit before it is sent again.
REPORT_ANSWER_SECONDS = 15.0

#: Signals that drain the worker; SIGHUP unless it was started to ignore it, as nohup does.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Agent:
    """One worker. ``run`` returns when it was told to go and has gone in good order.

    ``launcher`` starts its slots by the start method of the settings.
    Raises UsageError for settings that make no sense, KeyRefusedError, and UnreachableError when
    the coordinator stayed away for ``give_up_seconds``.
    """

    def __init__(self, settings: WorkerSettings, launcher: Launcher) -> None:
        self._settings = settings
        self._launcher = launcher
        cores = count_usable_cores()
        try:
            slots = parse_slots(settings.slots, cores)
        except ValueError as error:
            raise UsageError(str(error)) from None
        self._info = WorkerInfo(
            id=os.urandom(8).hex(),
            name=settings.name or _make_name(),
            host=fit_name(os.uname().nodename),
            process=os.getpid(),
            slots=slots,
            slots_limit=cores.limit if settings.slots == "auto" else f"--slots {settings.slots}",
            start_method=settings.start_method,
            version=VERSION,
            engines=find_engines(settings.permits),
        )
        self._manager = QueueManager(
            settings.coordinator,
            load_key(settings.key_file),
            patience_seconds=settings.give_up_seconds,
            on_lost=self._note_lost,
        )
        self._loop = Loop("agent")
        self._news = Bell(self._loop)
        self._jobs = self._manager.loop_jobs(self._loop)
        self._beats = self._manager.loop_jobs(self._loop)
        self._results = self._manager.loop_results(self._loop)
        self._holdings = Holdings()
        self._reporter = Reporter(
            self._loop,
            self._results,
            self._info.id,
            self._info.name,
            holdings=self._holdings,
            on_delivered=self._news.ring,
        )
        self._heart = Heart(
            self._loop,
            self._beats,
            self._info.id,
            self._info.name,
            holdings=self._holdings,
            examine=self._examine,
            register=self._register,
            on_orders=self._obey,
        )
        self._leaser = Leaser(
            self._loop,
            self._jobs,
            self._info.id,
            holdings=self._holdings,
            register=self._register,
            count_wanted=self._count_wanted,
            on_leases=self._take_leases,
        )
        self._fetches = self._manager.loop_jobs(self._loop)
        self._data = DataStore()
        #: Leases that wait for data.
        self._incomplete: deque[Lease] = deque()
        self._fetching: Run | None = None
        self._appetite = Appetite(slots)
        self._rss_bytes = 0
        self._heap_used = False
        self._lost_logged = False
        self._registered = False
        self._draining = False
        self._closing = False
        self._stop_requests = 0
        self._failure: HeadraceError | None = None

    def run(self) -> None:
        """Work until told to go."""
        handlers = {
            number: signal.signal(number, self._note_signal)
            for number in STOP_SIGNALS
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
        }
        try:
            self._loop.run(self._live())
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if self._failure:
            raise self._failure

    def _live(self) -> Answer[None]:
        try:
            registration = yield from self._register(self._jobs)
            self._registered = True
            yield from self._work(registration)
            if not self._failure:
                yield from self._take_leave()
        finally:
            for caller in (self._jobs, self._beats, self._results, self._fetches):
                caller.close()
            self._data.close()

    def _work(self, registration: Registration) -> Answer[None]:
        info, settings = self._info, self._settings
        engines = ", ".join(f"{name} ({engine})" for name, engine in info.engines.items())
        log.info("worker %s: %s (%s)", info.name, count(info.slots, "slot"), info.slots_limit)
        log.info("serves %s; coordinator %s", engines, settings.coordinator)
        # A worker must not spend the time of its leases on a link that was cut: it dials anew.
        answer_seconds = max(registration.lease_seconds / 3, SHORTEST_ANSWER_SECONDS)
        self._jobs.answer_seconds = LEASE_WAIT_SECONDS + answer_seconds
        self._beats.answer_seconds = LONGEST_BEAT_SECONDS + answer_seconds
        self._results.answer_seconds = REPORT_ANSWER_SECONDS
        with Pool(
            info.slots,
            launcher=self._launcher,
            max_tasks=settings.max_tasks,
            max_rss_bytes=settings.max_rss_bytes,
            permits=settings.permits,
            task_stdout=settings.task_stdout,
            program=settings.program,
            home=Home(settings.coordinator, str(settings.key_file.absolute())),
        ) as self._pool:
            self._loop.watch(self._pool.fileno(), lambda _: self._news.ring(), select.EPOLLIN)
            looks = self._begin("looks", self._look())
            self._begin("reporter", self._reporter.run())
            beats = self._begin("heart", self._heart.run(registration.heartbeat_seconds))
            leases = self._begin("leaser", self._leaser.run())
            yield from self._feed()
            leases.call_off()
            in_time = yield from self._drain()
            looks.call_off()
            self._closing = True
            self._loop.forget(self._pool.fileno())
            if not in_time:
                log.warning("tasks still run after %g s: they go back", settings.drain_seconds)
                yield Aside(self._loop, partial(self._pool.close, call_off=True))
            beats.call_off()

    def _begin(self, name: str, call: Answer[None]) -> Run:
        """Let a call run until it is called off; if it ends by itself, the worker does."""
        return Run(call, partial(self._note_end, name))

    def _feed(self) -> Answer[None]:
        """Run the pool until a signal or a failure ends it."""
        while not self._stop_requests and not self._failure:
            self._pass_on()
            self._leaser.look()
            moment = self._pool.due_seconds
            if self._pool.pending_tasks:
                if self._pool.is_stuck(STUCK_SECONDS):
                    self._reporter.add(self._pool.hand_back())
                moment = min(moment, time.monotonic() + STUCK_SECONDS)
            yield self._news.wait(moment)

    def _drain(self) -> Answer[bool]:
        """Hand back what has not started, and let running tasks finish.

        False when they took too long.
        """
        self._draining = True
        deadline = time.monotonic() + self._settings.drain_seconds
        self._hand_back()
        while self._pool.outstanding and self._stop_requests < 2 and not self._failure:
            if time.monotonic() >= deadline:
                return False
            yield self._news.wait(min(deadline, self._pool.due_seconds))
            self._pass_on()
        return True

    def _pass_on(self) -> None:
        """Have everything that came from the slots reported."""
        events = self._pool.poll(0)
        if restarts := self._pool.take_restarts():
            self._reporter.add_restarts(restarts)
        # Before the outcomes, so that a task's lines are there when its outcome is.
        if lines := self._pool.take_lines():
            self._reporter.add_lines(lines)
        if events:
            self._reporter.add(events, more=bool(self._pool.outstanding))
            self._appetite.learn(events)

    def _take_leave(self) -> Answer[None]:
        deadline = time.monotonic() + FAREWELL_SECONDS
        while not self._reporter.is_done:
            if not (yield self._news.wait(deadline)):
                log.warning("the last outcomes could not be delivered: those tasks will run again")
                break
        self._loop.call_at(time.monotonic() + FAREWELL_SECONDS, self._loop.quit)
        # No more patience with a coordinator that is away.
        once = self._manager.loop_jobs(self._loop, patient=False)
        try:
            yield from once.call(JobQueueApi.leave, self._info.id)
        except HeadraceError as error:
            log.warning("left without a goodbye: %s", error)
        finally:
            once.close()

    def _register(self, jobs: LoopCaller[JobQueueApi]) -> Answer[Registration]:
        """Introduce the worker."""
        held = self._holdings.runs()
        registration = yield from jobs.call(JobQueueApi.register, self._info, held)
        if self._lost_logged:
            log.info("the coordinator answers again")
        self._lost_logged = False
        return registration

    def _look(self) -> Answer[None]:
        """Look at the memory of slots and agent again and again."""
        while True:
            slots = sum(slot.rss_bytes for slot in self._pool.stats())
            if self._pool.outstanding:
                self._heap_used = True
            elif self._heap_used:
                self._heap_used = False
                give_blocks_back()
            self._rss_bytes = slots + read_rss_bytes(os.getpid())
            self._data.expire(self._list_needed())
            yield Pause(self._loop, LOOK_SECONDS)

    def _examine(self) -> Condition:
        return Condition(
            busy=self._pool.busy_slots,
            rss_bytes=self._rss_bytes,
            draining=self._draining,
            progress=self._pool.list_progress(),
        )

    def _count_wanted(self) -> int:
        """For how many slots work is wanted now."""
        if self._reporter.pending_bytes > MAX_PENDING_BYTES or self._pool.is_stuck(STUCK_SECONDS):
            return 0
        return self._appetite.count_wanted(self._pool)

    def _take_leases(self, leases: tuple[Lease, ...]) -> None:
        for lease in leases:
            try:
                missing = list_missing(lease, self._find_parameters(lease), self._data)
            except Exception as error:  # noqa: BLE001 - as below
                self._refuse(lease, error)
                continue
            if missing:
                self._incomplete.append(lease)
            else:
                self._take_up(lease)
        if self._incomplete and self._fetching is None:
            self._fetching = Run(self._fetch_data(), self._note_fetched)
        self._news.ring()

    def _find_parameters(self, lease: Lease) -> bytes | None:
        job = self._holdings.find_job(lease.job)
        return job.parameters if job else None

    def _take_up(self, lease: Lease) -> None:
        try:
            self._pool.submit(make_batch(lease, self._find_parameters(lease), self._data))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a lease is its tasks' outcome
            self._refuse(lease, error)

    def _fetch_data(self) -> Answer[None]:
        """Fetch the data that leases need, and take them up."""
        while self._incomplete:
            lease = self._incomplete[0]
            try:
                for source in list_missing(lease, self._find_parameters(lease), self._data):
                    content = yield from self._fetches.call(JobQueueApi.read, source)
                    self._data.put(source, content)
            except (HeadraceError, OSError) as error:
                if self._incomplete and self._incomplete[0] is lease:
                    self._incomplete.popleft()
                    self._refuse(lease, error)
                continue
            if self._incomplete and self._incomplete[0] is lease:
                self._incomplete.popleft()
                self._take_up(lease)
                self._news.ring()

    def _note_fetched(self, answer: None, error: BaseException | None) -> None:
        del answer
        self._fetching = None
        if error is not None:
            self._note_end("fetcher of data", None, error)

    def _hand_back(self) -> None:
        """Give back every task that has not started."""
        self._reporter.add(self._pool.hand_back())
        while self._incomplete:
            lease = self._incomplete.popleft()
            self._reporter.add([Returned(lease.id, lease.job, lease.start, lease.stop)])

    def _list_needed(self) -> set[str]:
        """The jobs whose data is needed for what is held."""
        needed: set[str] = set()
        for job_id in {run.job for run in self._holdings.runs()}:
            job = self._holdings.find_job(job_id)
            if job and job.parameters is not None:
                with suppress(ValueError):
                    needed.update(source for _, source in read_needs(job_id, job.parameters).data)
        return needed

    def _refuse(self, lease: Lease, error: Exception) -> None:
        """Have the tasks of a lease fail that could not be taken up, and hand back the others."""
        log.warning("job %s: %s", lease.job, error)
        self._reporter.add(refuse_lease(lease, error))
        if not is_tellable(lease):
            self._holdings.release(lease.id, lease.stop - lease.start)

    def _obey(self, orders: Orders) -> None:
        if self._closing:
            return
        for job in orders.cancelled_jobs:
            self._pool.cancel(job)
            for lease in [lease for lease in self._incomplete if lease.job == job]:
                self._incomplete.remove(lease)
            self._holdings.forget_job(job)
        for task in orders.cancelled_tasks:
            self._pool.cancel_task(task.job, task.index)
        if orders.hand_back:
            self._hand_back()
        self._news.ring()

    def _note_end(self, name: str, answer: Any, error: BaseException | None) -> None:
        del answer
        if not isinstance(error, HeadraceError):
            log.error("the %s failed", name, exc_info=error)
            error = HeadraceError(f"the worker's {name} failed: {error!r}")
        if not self._stop_requests:
            self._failure = self._failure or error
        self._news.ring()

    def _note_lost(self, error: UnreachableError) -> None:
        if not self._lost_logged and not self._stop_requests:
            self._lost_logged = True
            log.warning("%s; trying for %g s", error, self._settings.give_up_seconds)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._stop_requests += 1
        name = signal.Signals(number).name
        # A handler may not take the log's lock, which this very thread may hold.
        line = (
            f"{name}: finishing what runs\n" if self._stop_requests == 1 else f"{name}: at once\n"
        )
        if log.isEnabledFor(logging.INFO):
            os.write(2, line.encode())
        self._loop.call(self._heed_signal)

    def _heed_signal(self) -> None:
        if self._registered:
            self._news.ring()
        else:
            self._loop.quit()


def run_worker(settings: WorkerSettings, launcher: Launcher) -> None:
    """Be a worker until told to go. See Agent for what is raised."""
    keep_large_blocks()
    launcher.adopt_orphans()
    Agent(settings, launcher).run()


def _make_name() -> str:
    """The host's name and the process number, which is not cut."""
    process = f"-{os.getpid()}"
    return fit_name(os.uname().nodename, MAX_IDENTIFIER_CHARACTERS - len(process)) + process
