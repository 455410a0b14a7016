"""The agent: one worker's process, which feeds its pool from the job queue and reports back.

    coordinator ─ leaser thread ─► Pool.submit ─► slots ─┐
    coordinator ─ heart thread ──► inbox ─┬─► main thread: Pool.poll ─► Reporter ─► coordinator
    signals ──────────────────────────────┘

What is leased goes into the pool in the leaser's thread; all else that the pool is told is the main
thread's. Reports are the reporter's thread to send; when nothing is left to run, the main thread
sends one itself, so that who waits for it has it a switch of threads earlier.

Started in the order registration, pool, reporter, heart, leaser. On SIGTERM or SIGINT it drains:
the leaser stops, what has not started is handed back, running tasks have ``drain_seconds`` to
finish; then the pool closes, the reporter delivers what is left, and the worker takes its leave. A
second signal kills the slots at once.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from types import FrameType

from headrace_services.home import Home
from headrace_services.registry import find_engines
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import HeadraceError, UnreachableError, UsageError
from headrace_wire.heap import give_blocks_back, keep_large_blocks
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages import Lease, Registration, WorkerInfo
from headrace_wire.version import read_version
from headrace_worker.appetite import Appetite
from headrace_worker.condition import Condition
from headrace_worker.cores import count_usable_cores, parse_slots
from headrace_worker.heart import LONGEST_BEAT_SECONDS, Heart
from headrace_worker.holdings import Holdings
from headrace_worker.leaser import LEASE_WAIT_SECONDS, Leaser
from headrace_worker.pool.batch import Batch, Event
from headrace_worker.pool.launch import Launcher
from headrace_worker.pool.pool import Pool
from headrace_worker.proc import read_rss_bytes
from headrace_worker.reporter import Reporter
from headrace_worker.settings import WorkerSettings

log = logging.getLogger(__name__)

#: Seconds between looks at the memory of the slots.
LOOK_SECONDS = 2.0

#: Seconds between looks for a second signal while tasks finish: one that comes just before a wait
#: does not end it.
DRAIN_LOOK_SECONDS = 0.5

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

#: Seconds for which the main thread waits for the commit of a report that it sends itself.
SHORT_ANSWER_SECONDS = 0.25

#: Signals that drain the worker.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
            name=settings.name or f"{os.uname().nodename}-{os.getpid()}",
            host=os.uname().nodename,
            process=os.getpid(),
            slots=slots,
            slots_limit=cores.limit if settings.slots == "auto" else f"--slots {settings.slots}",
            start_method=settings.start_method,
            version=read_version(),
            engines=find_engines(settings.permits),
        )
        self._manager = QueueManager(
            settings.coordinator,
            load_key(settings.key_file),
            patience_seconds=settings.give_up_seconds,
            on_lost=self._note_lost,
        )
        self._jobs = self._manager.jobs()
        self._holdings = Holdings()
        self._condition = Condition()
        self._appetite = Appetite(slots)
        self._inbox: deque[Callable[[Pool], None]] = deque()
        self._lost_logged = False
        self._heap_used = False
        self._stop_requests = 0
        self._failure: HeadraceError | None = None
        self._wake: Callable[[], None] = lambda: None

    def run(self) -> None:
        """Work until told to go."""
        handlers = {number: signal.signal(number, self._note_signal) for number in STOP_SIGNALS}
        try:
            registration = self._register()
            if registration:
                self._work(registration)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if self._failure:
            raise self._failure

    def _work(self, registration: Registration) -> None:
        info = self._info
        engines = ", ".join(f"{name} ({engine})" for name, engine in info.engines.items())
        log.info("worker %s: %d slots (%s)", info.name, info.slots, info.slots_limit)
        log.info("serves %s; coordinator %s", engines, self._settings.coordinator)
        # A worker must not spend the time of its leases on a link that was cut: it dials anew.
        answer_seconds = max(registration.lease_seconds / 3, SHORTEST_ANSWER_SECONDS)
        results = self._manager.results(REPORT_ANSWER_SECONDS)
        reporter = Reporter(
            results,
            self._manager.results(SHORT_ANSWER_SECONDS, patient=False),
            info.id,
            info.name,
            self._holdings,
            self._note_failure,
        )
        heart = Heart(
            self._manager.jobs(LONGEST_BEAT_SECONDS + answer_seconds),
            info.id,
            info.name,
            holdings=self._holdings,
            condition=self._condition,
            register=self._register,
            on_cancelled=self._note_cancelled,
            on_task_cancelled=self._note_task_cancelled,
            on_hand_back=lambda: self._note_hand_back(reporter),
            on_failure=self._note_failure,
        )
        settings = self._settings
        with Pool(
            info.slots,
            launcher=self._launcher,
            max_tasks=settings.max_tasks,
            max_rss_bytes=settings.max_rss_bytes,
            permits=settings.permits,
            task_stdout=settings.task_stdout,
            home=Home(settings.coordinator, str(settings.key_file.absolute())),
        ) as pool:
            self._wake = pool.wake
            leaser = Leaser(
                self._manager.jobs(LEASE_WAIT_SECONDS + answer_seconds),
                info.id,
                holdings=self._holdings,
                register=self._register,
                on_leases=lambda leases: self._take_leases(pool, leases),
                on_failure=self._note_failure,
            )
            reporter.start()
            heart.start(registration.heartbeat_seconds)
            leaser.start()
            self._feed(pool, leaser, reporter)
            leaser.stop()
            self._drain(pool, reporter)
            heart.stop()
        self._take_leave(reporter)

    def _feed(self, pool: Pool, leaser: Leaser, reporter: Reporter) -> None:
        """Run the pool until a signal or a failure ends it."""
        next_look = 0.0
        while not self._stop_requests and not self._failure:
            with pool.lock:
                while self._inbox:
                    self._inbox.popleft()(pool)
                full = reporter.pending_bytes > MAX_PENDING_BYTES
                stuck = pool.is_stuck(STUCK_SECONDS)
                wanted = 0 if full or stuck else self._appetite.count_wanted(pool)
                waiting = pool.pending_tasks
                if stuck and waiting:
                    reporter.add(pool.hand_back())
                now = time.monotonic()
                if now >= next_look:
                    self._look_at_memory(pool)
                    next_look = now + LOOK_SECONDS
            leaser.want(wanted)
            left = next_look - now
            self._pass_on(pool, reporter, min(left, STUCK_SECONDS) if waiting else left)

    def _drain(self, pool: Pool, reporter: Reporter) -> None:
        """Hand back what has not started, and let running tasks finish until the deadline."""
        deadline_seconds = self._settings.drain_seconds
        deadline = time.monotonic() + deadline_seconds
        with pool.lock:
            self._condition.draining = True
            while self._inbox:
                self._inbox.popleft()(pool)
            reporter.add(pool.hand_back())
        while pool.outstanding and self._stop_requests < 2 and not self._failure:
            left = deadline - time.monotonic()
            if left <= 0:
                log.warning(
                    "tasks still run after %g s: they go back", self._settings.drain_seconds
                )
                pool.close(call_off=True)
                break
            self._pass_on(pool, reporter, min(left, DRAIN_LOOK_SECONDS))

    def _pass_on(self, pool: Pool, reporter: Reporter, timeout_seconds: float) -> None:
        events: list[Event] = pool.poll(timeout_seconds)
        with pool.lock:
            if restarts := pool.take_restarts():
                reporter.add_restarts(restarts)
            # Before the outcomes, so that a task's lines are there when its outcome is.
            if lines := pool.take_lines():
                reporter.add_lines(lines)
            self._condition.progress = pool.list_progress()
            self._condition.busy = pool.busy_slots
            more = bool(pool.outstanding)
        if events:
            self._appetite.learn(events)
            reporter.add(events, more=more)

    def _take_leave(self, reporter: Reporter) -> None:
        if self._failure:
            return
        self._manager.stop.set()  # no more patience with a coordinator that is away
        if not reporter.flush(FAREWELL_SECONDS):
            log.warning("the last outcomes could not be delivered: those tasks will run again")
        reporter.stop()
        goodbye = threading.Thread(target=self._say_goodbye, daemon=True)
        goodbye.start()
        goodbye.join(FAREWELL_SECONDS)

    def _say_goodbye(self) -> None:
        try:
            self._jobs.leave(self._info.id)
        except HeadraceError as error:
            log.warning("left without a goodbye: %s", error)

    def _register(self) -> Registration | None:
        """Introduce the worker. None when it was told to go before the coordinator answered."""
        try:
            registration = self._jobs.register(self._info, self._holdings.runs())
        except UnreachableError:
            if self._stop_requests:
                return None
            raise
        if self._lost_logged:
            log.info("the coordinator answers again")
        self._lost_logged = False
        return registration

    def _look_at_memory(self, pool: Pool) -> None:
        slots = sum(slot.rss_bytes for slot in pool.stats())
        if pool.outstanding:
            self._heap_used = True
        elif self._heap_used:
            self._heap_used = False
            give_blocks_back()
        self._condition.rss_bytes = slots + read_rss_bytes(os.getpid())

    def _take_leases(self, pool: Pool, leases: tuple[Lease, ...]) -> None:
        """Have leases run. One that comes when the worker goes is not taken: it goes back."""
        with pool.lock:
            if self._condition.draining:
                return
            for lease in leases:
                pool.submit(self._make_batch(lease))
        self._wake()

    def _make_batch(self, lease: Lease) -> Batch:
        items = [item for batch in lease.inputs for item in unpack_batch(batch)]
        return Batch(
            key=lease.id,
            job=lease.job,
            service=lease.service,
            operation=lease.operation,
            parameters=self._holdings.find_job(lease.job).parameters,
            start=lease.start,
            stop=lease.stop,
            attempt=lease.attempt,
            inputs=tuple(items) if lease.inputs else None,
            timeout_seconds=lease.timeout_seconds,
        )

    def _note_cancelled(self, job: str) -> None:
        def cancel(pool: Pool) -> None:
            pool.cancel(job)
            self._holdings.forget_job(job)

        self._inbox.append(cancel)
        self._wake()

    def _note_task_cancelled(self, job: str, index: int) -> None:
        self._inbox.append(lambda pool: pool.cancel_task(job, index))
        self._wake()

    def _note_hand_back(self, reporter: Reporter) -> None:
        self._inbox.append(lambda pool: reporter.add(pool.hand_back()))
        self._wake()

    def _note_failure(self, error: HeadraceError) -> None:
        if not self._stop_requests:
            self._failure = self._failure or error
        self._wake()

    def _note_lost(self, error: UnreachableError) -> None:
        if not self._lost_logged:
            self._lost_logged = True
            log.warning("%s; trying for %g s", error, self._settings.give_up_seconds)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._stop_requests += 1
        self._manager.stop.set()
        name = signal.Signals(number).name
        # A handler may not take the log's lock, which this very thread may hold.
        line = (
            f"{name}: finishing what runs\n" if self._stop_requests == 1 else f"{name}: at once\n"
        )
        if log.isEnabledFor(logging.INFO):
            os.write(2, line.encode())
        self._wake()


def run_worker(settings: WorkerSettings, launcher: Launcher) -> None:
    """Be a worker until told to go. See Agent for what is raised."""
    keep_large_blocks()
    Agent(settings, launcher).run()
