"""A slot: the child process that runs tasks.

    pool ──RUN──► SlotEnd.receive ─► Slot.run_piece ─► runner(index, input)
                                        │ cell: started, since, finished
    pool ◄─DONE, FAILED, STOPPED── Outbox ◄─ value or failure

The pool starts it and ends it: by closing its end of the socket when the slot is idle, or with
SIGKILL at any moment. The slot ends by itself when it reaches a limit (it sends RETIRED first), and
when its agent is gone, which its watch notices even while a task is running.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn, cast

from msgspec import Struct
from msgspec.structs import replace

from headrace_services.permits import Permits
from headrace_services.service import Service, TaskRunner
from headrace_services.task import host_tasks
from headrace_services.this_slot import THIS_SLOT, Home
from headrace_wire.log_format import LogFormat
from headrace_wire.system.heap import give_blocks_back, keep_large_blocks
from headrace_wire.system.open_flags import CLOEXEC
from headrace_wire.system.signals import STOP_SIGNALS
from headrace_wire.tracing import flush_spans
from headrace_worker.link.cell import (
    FINISHED,
    GENERATION,
    INITIALIZING,
    PREPARING,
    SINCE,
    STARTED,
    Cell,
)
from headrace_worker.link.channel import SlotEnd
from headrace_worker.link.failure import Failure
from headrace_worker.link.loader import DEFAULT_LOADER, resolve_loader
from headrace_worker.link.messages import Loaded, Ready, Retire, Retired, RunPiece
from headrace_worker.link.program import Program, apply_import_path
from headrace_worker.link.runners import JobRunner, KeptJobs
from headrace_worker.machine.memory import limit_memory
from headrace_worker.machine.processes import read_rss_bytes
from headrace_worker.slot.code_watch import CodeWatch
from headrace_worker.slot.copies import Original, end_copy
from headrace_worker.slot.outcome import check_value, describe_task, explain_failure
from headrace_worker.slot.output import TaskOutput
from headrace_worker.slot.traced import run_traced
from headrace_worker.slot.watch import Watch, end_cut_off, find_agent_sentinel

#: A slot is meant to use one core, so libraries that start threads of their own are limited to one.
ONE_THREAD_EACH = {
    "VIPS_CONCURRENCY": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}

#: How many seconds without a task pass before free memory is returned to the system.
QUIET_SECONDS = 1.0

#: How often, in seconds, resident memory is read at most.
MEMORY_SECONDS = 0.005


class SlotSettings(Struct, frozen=True):
    """The settings that a slot receives at its start.

    ``preload`` names the modules that should have been imported, and ``closed_folders`` the folders
    that are closed to the slot and its tasks before it starts: see ``Order.carry_out``. What tasks
    print is written to the worker's log, which has ``log_format``; with ``task_stdout`` it goes
    where the worker's standard output goes.
    """

    loader: str = DEFAULT_LOADER
    preload: tuple[str, ...] = ()
    max_tasks: int | None = None
    max_rss_bytes: int | None = None
    memory_limit_bytes: int | None = None
    forked: bool = False
    permits: Permits = Permits()
    task_stdout: bool = False
    log_format: LogFormat = "text"
    worker: str = ""
    home: Home | None = None
    program: Program | None = None
    closed_folders: tuple[str, ...] = ()


def run_slot(link: socket.socket, cell: Cell, settings: SlotSettings) -> None:
    """Serve the pool until it closes its end. This is the child's main function."""
    _settle(link, settings)
    slot = Slot(SlotEnd(link), cell, settings)
    try:
        slot.serve()
    except (EOFError, ConnectionError):
        # The pool is gone or has closed its end, so nobody reads any more.
        _leave(0)
    except OSError:
        # A task has closed the socket, and its number now belongs to another file. The task that
        # ran last is charged.
        if cell.words[FINISHED] == cell.words[STARTED] > 0:
            cell.words[FINISHED] -= 1
        end_cut_off(cell)


class Slot:
    """Runs one piece after the other. Not thread-safe."""

    def __init__(self, end: SlotEnd, cell: Cell, settings: SlotSettings) -> None:
        self._end = end
        self._cell = cell
        self._settings = settings
        self._watch = Watch(end, cell)
        self._outbox = self._watch.outbox
        self._jobs: KeptJobs[JobRunner] = KeptJobs()
        self._load: Callable[[str], Service] | None = None
        self._loaded: set[str] = set()
        self._code = CodeWatch(settings.permits)
        self._tasks = 0
        self._memory_seconds = 0.0
        self._output: TaskOutput | None = None
        self._original = Original(end)
        #: The piece that is running, if its job is traced.
        self._traced: RunPiece | None = None

    def serve(self) -> NoReturn:
        missing = [name for name in self._settings.preload if name not in sys.modules]
        self._outbox.send(Ready(missing))
        self._watch.start()
        host_tasks(self._outbox.news)
        errors: object = sys.stderr
        if not self._settings.task_stdout and isinstance(errors, io.TextIOWrapper):
            settings = self._settings
            stream = cast("io.TextIOWrapper", errors)
            self._output = TaskOutput(
                self._outbox.news, stream, settings.log_format, settings.worker
            )
            self._output.catch()
        THIS_SLOT.on_initializer.append(self._note_initializer)
        heap_used = False
        while True:
            if heap_used and not self._end.wait(QUIET_SECONDS):
                give_blocks_back()
                heap_used = False
            # No reference to a piece is kept while waiting for the next one.
            message = self._end.receive()
            if isinstance(message, Retire):
                self._retire(message.why)
            if self._code.has_changed(time.monotonic()):
                self._retire("code")  # the piece that was just received has not started
            self._take_up(message)
            del message
            heap_used = True
            if self._is_too_big(time.monotonic()):
                self._retire("memory")

    def _take_up(self, message: RunPiece) -> None:
        runner = self._jobs.touch(message.job)
        if message.about is not None:
            runner = JobRunner(*message.about, files=self._end.take_files(message.files))
            self._jobs.keep(message.job, runner)
        assert runner is not None, f"job {message.job} is not known here"
        indices = range(message.start, message.stop)
        THIS_SLOT.take_token(message.token)
        self._outbox.begin(message)
        self._traced = message if message.trace else None
        self._watch.expect(several=len(indices) > 1)
        self.run_piece(runner, message.generation, message.number, indices, message.inputs)
        self._watch.expect(several=False)
        self._outbox.flush()

    def run_piece(
        self,
        job: JobRunner,
        generation: int,
        number: int,
        indices: range,
        inputs: Sequence[bytes] | None,
    ) -> None:
        """Run the tasks ``indices``, numbered from ``number``, while their generation lasts."""
        words, times = self._cell.words, self._cell.times
        run, output = self._trace(job, job.run), self._output
        began = time.monotonic()
        for place, index in enumerate(indices):
            task_input = None if inputs is None else inputs[place]
            times[SINCE] = began
            words[STARTED] = number + place
            # This is read after STARTED is written, so that whoever ends a generation sees which
            # tasks have started.
            if words[GENERATION] != generation:
                words[FINISHED] = number + place
                self._outbox.stop()
                return
            if run is None:
                last = number + len(indices) - 1
                run = self._trace(job, self._prepare(job, indices[place:], inputs, last))
                if run is None:
                    return
                began = time.monotonic()
            value, summary = b"", ""
            failure: Failure | None = None
            try:
                try:
                    value = run(index, task_input)
                finally:
                    if self._original.is_copy:
                        end_copy(sys.exception())
                    THIS_SLOT.task_ended()
                    if output is not None and output.held:
                        output.end_task()
                check_value(value)
            except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
                ended = time.monotonic()
                # This comes before FINISHED is set, because it calls the task's own code, to which
                # the time limit has to apply.
                failure, summary = (
                    explain_failure(job, error),
                    describe_task(job, index, task_input),
                )
            else:
                ended = time.monotonic()
            if not self._end.is_open:
                end_cut_off(self._cell)  # FINISHED is not set, so this task is charged
            words[FINISHED] = number + place
            self._code.note()  # before anybody can know that the modules are loaded
            if failure is None:
                self._outbox.add_done(value, ended - began, ended)
            else:
                self._outbox.add_failed(failure, summary, ended - began, ended)
            self._tasks += 1
            if self._tasks == self._settings.max_tasks:
                self._retire("tasks")
            if self._is_too_big(ended):
                self._retire("memory")
            began = time.monotonic()

    def _trace(self, job: JobRunner, run: TaskRunner | None) -> TaskRunner | None:
        if run is None or self._traced is None:
            return run
        return partial(run_traced, self._traced, job, run)

    def _prepare(
        self, job: JobRunner, indices: range, inputs: Sequence[bytes] | None, last: int
    ) -> TaskRunner | None:
        """Load the service of a job. Returns None if that has failed, and with it these tasks, of
        which the last has the number ``last``.
        """
        words = self._cell.words
        words[PREPARING] = 1
        try:
            if self._load is None:
                self._load = resolve_loader(self._settings.loader)
            try:
                job.prepare(self._load, self._settings.permits)
            finally:
                if self._original.is_copy:
                    end_copy(sys.exception())
        except BaseException as error:  # noqa: BLE001 - whatever a service raises is its tasks' outcome
            failure = explain_failure(job, error)
            for place, index in enumerate(indices):
                summary = describe_task(
                    job, index, inputs[place - len(indices)] if inputs else None
                )
                self._outbox.add_failed(failure, summary, 0.0, time.monotonic())
                # One traceback is enough; a thousand copies of it would only take space.
                failure = replace(failure, traceback="")
            self._code.note()
            words[FINISHED] = last
            words[PREPARING] = 0
            return None
        if job.service_name not in self._loaded:
            self._loaded.add(job.service_name)
            self._outbox.send(Loaded(job.service_name))
        self._cell.times[SINCE] = time.monotonic()
        words[PREPARING] = 0
        self._code.note()
        return job.run

    def _note_initializer(self) -> None:
        self._cell.times[SINCE] = time.monotonic()
        self._cell.words[PREPARING] = INITIALIZING

    def _is_too_big(self, now_seconds: float) -> bool:
        limit = self._settings.max_rss_bytes
        if limit is None or now_seconds - self._memory_seconds < MEMORY_SECONDS:
            return False
        self._memory_seconds = now_seconds
        if read_rss_bytes(os.getpid()) <= limit:
            return False
        give_blocks_back()  # free memory does not count
        return read_rss_bytes(os.getpid()) > limit

    def _retire(self, why: str) -> NoReturn:
        self._outbox.send(Retired(why))
        _leave(0)


def _settle(link: socket.socket, settings: SlotSettings) -> None:
    keep_large_blocks()
    if settings.memory_limit_bytes is not None:
        limit_memory(settings.memory_limit_bytes)
    # Ctrl-C, and the end of a terminal, are signalled to the whole process group, and only the
    # agent decides what they mean.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    for name, value in ONE_THREAD_EACH.items():
        os.environ.setdefault(name, value)
    THIS_SLOT.home = settings.home
    apply_import_path(settings.program, settings.permits)
    if settings.forked:
        signal.set_wakeup_fd(-1)  # this one belongs to the agent's event loop
        _drop_inherited_files(keep={link.fileno(), find_agent_sentinel()})
    with open(os.devnull, "rb") as null:  # noqa: PTH123 - a device
        os.dup2(null.fileno(), 0)
    if not settings.task_stdout:
        # Standard output belongs to the agent, and may be the result of a command.
        os.dup2(2, 1)
        printed = sys.stdout
        if isinstance(printed, io.TextIOWrapper):  # pyright: ignore[reportUnknownMemberType]
            # A new stream, because the old one remembers whether its file was seekable.
            sys.stdout = open(  # noqa: SIM115 - for as long as the slot lives
                1, "w", encoding=printed.encoding, errors=printed.errors, closefd=False
            )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Lines are written whole, even with PYTHONUNBUFFERED, because slots share the output.
            stream.reconfigure(line_buffering=True, write_through=False)


def _drop_inherited_files(keep: set[int]) -> None:
    # A forked child has the agent's ends of all sockets, so no peer would ever notice that the
    # agent closes one. Their numbers are kept and redirected to /dev/null, because objects of the
    # agent still close them here.
    null = os.open(os.devnull, os.O_RDWR | CLOEXEC)
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
        fd = int(name)
        if fd > 2 and fd != null and fd not in keep:
            # The folder's own descriptor was listed, too, and is closed by now.
            with contextlib.suppress(OSError):
                os.fstat(fd)
                os.dup2(null, fd, inheritable=False)
    os.close(null)


def _leave(status: int) -> NoReturn:
    THIS_SLOT.slot_ended()
    flush_spans()
    # Not sys.exit: a thread that a task left behind would keep the process alive forever.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
