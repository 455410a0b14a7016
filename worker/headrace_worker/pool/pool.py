"""The pool of slots in the agent's process.

    submit ─► Backlog ──_feed──► SlotProcess ═══ socket ═══► slot
                ▲                │ dead, or over a limit    │
                └── tasks that ──┤                          │
                  did not start  ▼                          ▼
    take_events ◄─ Failed ◄── Deaths        Done, Failed ◄── its messages

There is no thread. An event loop calls the pool when slots have sent something or have ended, and
everything else happens inside ``take_events`` (and briefly in the other calls). The code that runs
the loop takes events when ``on_news`` is called, and at ``due_seconds``, the next moment at which a
time limit may expire. No lock is shared with a slot, so a slot can die at any moment without
affecting others.
"""

from __future__ import annotations

import logging
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from math import inf

from msgspec.structs import replace

from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.reports import DoneSpan, ReturnedSpan
from headrace_worker.launch.launcher import Launcher
from headrace_worker.link.messages import (
    Lines,
    Loaded,
    PieceStopped,
    Progress,
    Ready,
    Retired,
    SlotMessage,
    TaskFailed,
    TaskLine,
    TasksDone,
)
from headrace_worker.machine.oom import OomWatch
from headrace_worker.machine.processes import read_cpu_seconds
from headrace_worker.pool.backlog import Backlog, Span, return_spans
from headrace_worker.pool.batch import Batch, Event, make_event
from headrace_worker.pool.death_log import DeathLog
from headrace_worker.pool.deaths import Deaths
from headrace_worker.pool.dispatch import Paces, choose_tasks, fit_inputs
from headrace_worker.pool.figures import PoolFigures
from headrace_worker.pool.limits import enforce_limits
from headrace_worker.pool.slot_process import SlotProcess
from headrace_worker.pool.supervisor import Supervisor
from headrace_worker.pool.tally import Tally
from headrace_worker.pool.tenancy import Tenancy
from headrace_worker.slot.slot import SlotSettings

#: The time, in seconds, after which a slot and its pool certainly see what the other wrote to the
#: cell.
SETTLE_SECONDS = 0.001

#: How long, in seconds, a cancelled task has to end, if it asks whether it is cancelled.
CANCEL_GRACE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Pool(PoolFigures):
    """Runs tasks in ``slots`` child processes. Not thread-safe.

    ``launcher`` starts them, and is closed with the pool; those ``settings`` that depend on how
    slots are started are taken from it. Raises UsageError for fork in a process that has threads.
    """

    def __init__(self, slots: int, launcher: Launcher, settings: SlotSettings) -> None:
        if slots < 1:
            raise ValueError(f"a pool has at least one slot, not {slots}")
        settings = replace(
            settings, preload=launcher.preload, forked=launcher.start_method == "fork"
        )
        self._backlog = Backlog()
        self._batches: dict[int, Batch] = {}
        self._paces = Paces()
        self._events: list[Event] = []
        self._lines: list[TaskLine] = []
        self._deaths = Deaths(settings.loader, OomWatch())
        self._death_log = DeathLog()
        #: The counters for metrics.
        self.tally = Tally()
        self._tenancy = Tenancy()
        #: When events have to be taken at the latest (monotonic), whatever slots send; infinite for
        #: never.
        self.due_seconds = 0.0
        self._dead: list[SlotProcess] = []
        self._on_news: Callable[[], object] = lambda: None
        self._supervisor = Supervisor(slots, launcher, settings, self._hear_slot, self._note_dead)
        try:
            self._supervisor.start_missing(time.monotonic())
        except BaseException:
            self.close(kill=True)
            raise

    def submit(self, batch: Batch) -> None:
        """Accept a batch. Each of its tasks comes back once as an event, unless it is cancelled."""
        self._check_open()
        if batch.key in self._batches:
            raise ValueError(f"batch {batch.key} is already held by the pool")
        self._batches[batch.key] = batch
        batch.remaining = batch.stop - batch.start
        self._tenancy.note_work(batch.tenant)
        self._backlog.append(Span(batch, batch.start, batch.stop))
        self._feed()
        self._on_news()

    def attach(self, loop: AbstractEventLoop, on_news: Callable[[], object]) -> None:
        """Let an event loop watch the slots, and call ``on_news`` when there may be events to take.

        It is called from the loop whenever slots have sent something, which need not be an event.
        """
        self._check_open()
        self._supervisor.watch_with(loop)
        self._on_news = on_news

    def detach(self) -> None:
        """Stop watching the slots with an event loop."""
        self._supervisor.watch_with(None)
        self._on_news = lambda: None

    def take_events(self) -> list[Event]:
        """Take the events that have arrived, without waiting, and keep the slots busy.

        Raises SlotStartError if slots die one after the other before they are ready.
        """
        self._check_open()
        dead, self._dead = self._dead, []
        for slot in dead:
            self._reap(slot)
        # Slots go on while the caller handles the events.
        self.due_seconds = self._keep_going()
        events, self._events = self._events, []
        return events

    def take_lines(self) -> list[TaskLine]:
        """Take the lines that tasks have printed or logged. They are here before the events of
        their outcomes.
        """
        lines, self._lines = self._lines, []
        return lines

    def cancel(self, job: str) -> None:
        """Forget a job: it has no further events, except for lines that it logs.

        Slots that run it are killed, after CANCEL_GRACE_SECONDS if their task asks whether it is
        cancelled.
        """
        self._check_open()
        for batch in list(self._batches.values()):
            if batch.job == job:
                batch.cancelled = True
                self._forget(batch)
        self._backlog.put_back(self._backlog.take_all())
        for slot in self._recall_job(job):
            found = slot.find_running()
            if found is not None and found[0].batch.cancelled:
                slot.call_off(found[2].number, time.monotonic() + CANCEL_GRACE_SECONDS)
        self._feed()

    def cancel_task(self, job: str, index: int) -> None:
        """Stop one task. If it runs, its slot is killed; if it has not started, it is returned."""
        self._check_open()
        for slot in self._recall_job(job):
            found = slot.find_running()
            if found is not None and (found[0].batch.job, found[1]) == (job, index):
                slot.kill_for("cancel", found[2].number)
        waiting = [
            Span(span.batch, index, index + 1)
            for span in self._backlog
            if span.batch.job == job and span.start <= index < span.stop
        ]
        for task in waiting:
            spans = self._backlog.take_all()
            self._backlog.put_back(rest for span in spans for rest in span.without(task))
        self._events += return_spans(waiting, self._count_off)
        self._feed()

    def hand_back(self, keep: int = 0) -> list[ReturnedSpan]:
        """Hand back every task that has not started, or those behind the first ``keep`` of them.
        Running tasks are not affected.
        """
        self._check_open()
        if not keep:
            self._recall(self._supervisor.slots)
        return return_spans(self._backlog.take_after(keep), self._count_off)

    def close(
        self,
        *,
        kill: bool = False,
        call_off: bool = False,
        grace_seconds: float = CANCEL_GRACE_SECONDS,
    ) -> list[ReturnedSpan]:
        """End all slots, at once or when their running task ends, and return the remaining tasks.

        Nothing new is started, idle slots exit, and slots that remain after the grace period are
        killed. If ``call_off``, only tasks that ask whether they are cancelled have that period in
        which to end. A result that was not taken before is lost, so its task is among those
        returned.
        """
        unfinished = self._backlog.take_all()
        slots = self._supervisor.close(kill=kill, grace_seconds=grace_seconds, call_off=call_off)
        for slot in slots:
            unfinished += slot.take_all()
        return return_spans(unfinished, self._count_off)

    def _hear_slot(self, slot: SlotProcess) -> None:
        self._read(slot)
        self._on_news()

    def _note_dead(self, slot: SlotProcess) -> None:
        self._supervisor.note_dead(slot)
        self._dead.append(slot)
        self._on_news()

    def _check_open(self) -> None:
        if self._supervisor.closed:
            raise ValueError("the pool is closed")

    def _keep_going(self) -> float:
        """Start, kill and feed slots as needed now, and return when this is needed next."""
        self._supervisor.start_missing(time.monotonic())
        while True:
            # Limits are checked after feeding, because tasks that are sent now have limits, too.
            self._feed()
            due, stuck = enforce_limits(self._supervisor.slots, time.monotonic())
            if not stuck:
                due = min(due, self._tenancy.due_seconds)
                return min(due, self._supervisor.next_start_seconds or inf)
            self._recall(stuck)

    def _feed(self) -> None:
        self.due_seconds = 0.0  # tasks that are sent now may have a limit
        now = time.monotonic()
        waiting_slots = [slot for slot in self._supervisor.slots if slot.can_take_more(now)]
        # Each slot gets one piece in each round, idle slots first, so that no slot has two pieces
        # while another has none.
        while waiting_slots and self._backlog.head is not None:
            waiting_slots.sort(key=SlotProcess.count_tasks)
            waiting_slots = [slot for slot in waiting_slots if self._feed_one(slot)]
        for slot in self._tenancy.vacate(self._backlog, self._supervisor.slots, now):
            slot.dismiss("tenant")
            self._recall([slot])
        for slot in self._supervisor.slots:
            slot.send_off()
        for slot in self._supervisor.slots:
            if slot.end.is_backed_up:
                self._supervisor.push(slot)

    def _feed_one(self, slot: SlotProcess) -> bool:
        head = self._tenancy.choose(self._backlog, slot, self._supervisor.slots)
        if head is None:
            return False
        batch, load = head.batch, slot.weigh(self._paces.mean_of)
        mean = self._paces.mean_of(batch.job)
        tasks = min(len(head), choose_tasks(mean, load, self._backlog.tasks, self.slots))
        if tasks and batch.inputs is not None:
            first = head.start - batch.start
            tasks = fit_inputs([len(one) for one in batch.inputs[first : first + tasks]], load)
        if tasks:
            slot.send(self._backlog.take(tasks, head))
        return bool(tasks)

    def _read(self, slot: SlotProcess, *, to_the_end: bool = False) -> None:
        try:
            for message in slot.end.pull(to_the_end=to_the_end):
                self._hear(slot, message)
        except Exception as error:  # noqa: BLE001 - a task has written to its slot's socket
            _log.warning("what a slot sent cannot be read: %r", error)
            found = slot.find_running()
            slot.end.ended = True
            slot.kill_for("garbled", found[2].number if found else 0)
        if slot.end.ended:
            self._supervisor.note_ended(slot)

    def _hear(self, slot: SlotProcess, message: SlotMessage) -> None:
        match message:
            case TasksDone() | TaskFailed():
                self._take_outcome(slot, message)
            case Lines():
                self._lines += message.lines
            case Progress():
                slot.progress = message
            case PieceStopped():
                # Most of these have been taken back already; the others had just appeared to have
                # started.
                self._backlog.put_back(slot.take_stopped(message.piece, message.index))
            case Loaded():
                self._deaths.trust(message.service)
            case Retired():
                slot.note_retired(message.why)
            case Ready():
                slot.cpu_seconds = read_cpu_seconds(slot.pid)
                self._supervisor.note_ready(slot, message.missing)

    def _take_outcome(self, slot: SlotProcess, message: TasksDone | TaskFailed) -> None:
        slot.cpu_seconds += message.cpu_seconds
        indices, busy_seconds = message.indices, message.busy_seconds
        batch = slot.settle(message.piece, indices.start, indices.stop)
        if batch is None:
            return  # taken back in the meantime: another slot will report them
        said = slot.progress
        if said and said.job == batch.job and said.index in indices:
            slot.progress = None
        if batch.cancelled:
            return
        if slot.tenant and slot.tenant_seconds:
            setup = time.monotonic() - slot.tenant_seconds - busy_seconds
            self._tenancy.note_setup(slot.tenant, max(0.0, setup))
            slot.tenant_seconds = 0.0
        if isinstance(message, TasksDone):
            self.tally.add_done(batch, message)
        else:
            self.tally.add_failed(batch, message.cpu_seconds)
        self._settle(batch, make_event(batch, message), len(indices))

    def _settle(self, batch: Batch, event: DoneSpan | TaskFailure, tasks: int) -> None:
        """Record that tasks have their outcome."""
        self._paces.observe(event.job, tasks, event.busy_seconds)
        self._events.append(event)
        self._count_off(batch, tasks)

    def _reap(self, slot: SlotProcess) -> None:
        # Everything that it had sent is read first, so that no task is charged that has an outcome.
        self._read(slot, to_the_end=True)
        self._lines += slot.cell.last_words.read()
        charged = self._deaths.find_charged(slot)
        unfinished = slot.take_all()
        status = self._supervisor.reap(slot)
        why = slot.retired or slot.kill_reason or "crash"
        message = ""
        if charged is not None:
            span = charged.span
            unfinished = [rest for one in unfinished for rest in one.without(span)]
            if not span.batch.cancelled:
                failed = self._deaths.report(slot, charged, status)
                why, message = failed.reason, failed.message
                self.tally.add_failed(span.batch, failed.cpu_seconds)
                self._settle(span.batch, failed, 1)
        self._backlog.put_back(unfinished)
        self.tally.restarts[why] += 1
        if slot.ready and not slot.retired and slot.kill_reason in (None, "mute"):
            message = message or self._deaths.explain_end(status)[2]
            self._death_log.note(slot, message, charged.span if charged else None)

    def _recall(self, slots: Sequence[SlotProcess]) -> None:
        """Put what the slots have not started back at the head of the backlog."""
        if not slots:
            return
        for slot in slots:
            slot.revoke()
        # A slot writes that it starts a task, and then checks whether it still may; the pool does
        # this in the opposite order. After this pause at least one of the two has seen what the
        # other wrote.
        time.sleep(SETTLE_SECONDS)
        self._backlog.put_back([span for slot in slots for span in slot.take_unstarted()])

    def _recall_job(self, job: str) -> list[SlotProcess]:
        """Call ``_recall`` for the slots that have tasks of a job, and return these slots."""
        slots = [
            slot
            for slot in self._supervisor.slots
            if any(piece.batch.job == job for piece in slot.pieces.values())
        ]
        self._recall(slots)
        return slots

    def _count_off(self, batch: Batch, tasks: int) -> None:
        batch.remaining -= tasks
        if not batch.remaining:
            self._forget(batch)

    def _forget(self, batch: Batch) -> None:
        del self._batches[batch.key]
        self._deaths.forget(batch.key)
