"""One slot as the pool sees it: its process, its socket, its cell, and the tasks that it holds."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Literal

from headrace_wire.parts import measure
from headrace_wire.system.open_flags import CLOEXEC
from headrace_worker.launch.exit_watch import JoinWatch, PidfdWatch, watch_exit
from headrace_worker.launch.forked_slot import ANSWER_SECONDS, ForkedSlot
from headrace_worker.launch.launcher import Launcher
from headrace_worker.link.cell import Cell, Running
from headrace_worker.link.channel import PoolEnd
from headrace_worker.link.messages import JobDescription, Progress, Retire, RunPiece
from headrace_worker.link.runners import KeptJobs
from headrace_worker.link.sockets import CARRIES_FILES
from headrace_worker.machine.processes import read_cpu_seconds
from headrace_worker.pool.backlog import Span
from headrace_worker.pool.batch import Batch
from headrace_worker.pool.dispatch import PIECE_SECONDS, Load
from headrace_worker.slot.slot import SlotSettings, run_slot

#: How long, in seconds, the exit status of a dead process may take to arrive, before the fork
#: server is assumed to be frozen.
STATUS_SECONDS = 5.0

#: Why the pool itself kills a slot.
KillReason = Literal["timeout", "cancel", "start", "mute", "garbled"]


class Piece(Span):
    """Tasks that were sent to the slot; [start, stop) of them have no outcome yet.

    ``shift`` converts an index into the task's number in the cell.
    """

    shift: int
    input_bytes: int


class SlotProcess:
    """The process of a slot, started by the constructor. Not thread-safe.

    Raises OSError if the system refuses the process, or anything that it needs.
    """

    def __init__(self, launcher: Launcher, settings: SlotSettings, name: str) -> None:
        self.name = name
        self.started_seconds = time.monotonic()
        self.ready = False
        self.tenant = ""
        self.tenant_seconds = 0.0
        self.leaving = ""
        self.retired = ""
        self.retired_seconds = 0.0
        self.kill_reason: KillReason | None = None
        self.killed_number = 0
        self.ended_seconds: float | None = None
        self.dead = False
        self.cpu_seconds = 0.0
        #: Its resident memory, when the pool last measured it.
        self.rss_bytes = 0
        self.killed_cpu_seconds = 0.0
        self.cut_off = False
        self.grace_number = 0
        self.grace_end_seconds: float | None = None
        self.idle_mark: tuple[int, ...] | None = None
        self.idle_since_seconds = 0.0
        self.idle_seen_seconds = 0.0
        #: The latest progress of the running task.
        self.progress: Progress | None = None
        self.pieces: OrderedDict[int, Piece] = OrderedDict()
        self._generation = 0
        self._number = 0
        self._piece = 0
        self._jobs: KeptJobs[JobDescription] = KeptJobs()
        self.cell = Cell()
        ours, theirs = socket.socketpair()
        self.end = PoolEnd(ours)
        try:
            with theirs:
                self._process = launcher.start(run_slot, theirs, self.cell, settings, name)
        except BaseException:
            self.end.close()
            self.cell.close()
            raise
        assert self._process.pid is not None, "a started process has a number"
        self.pid = self._process.pid
        self.exit: PidfdWatch | JoinWatch | None = None
        try:
            self.exit = watch_exit(self._process)
        except OSError as error:
            self._process.kill()
            status = self.reap()
            if isinstance(error, ProcessLookupError):  # the fork server has reaped it already
                raise OSError(f"a slot died while it started (exit status {status})") from None
            raise

    @property
    def number(self) -> int:
        """The number in its name."""
        return int(self.name.rpartition("-")[2])

    @property
    def exit_fd(self) -> int:
        """A descriptor that becomes readable when the process has ended."""
        assert self.exit, "it has been started"
        return self.exit.fileno()

    def send(self, span: Span) -> None:
        """Send tasks to the slot. Never blocks: what the slot does not read yet is kept."""
        batch = span.batch
        if batch.tenant and not self.tenant:
            self.tenant, self.tenant_seconds = batch.tenant, time.monotonic()
        about = (batch.service, batch.operation, batch.parameters, batch.data)
        known = self._jobs.touch(batch.job) == about
        if not known:
            self._jobs.keep(batch.job, about)
        inputs = None
        if batch.inputs is not None:
            inputs = batch.inputs[span.start - batch.start : span.stop - batch.start]
        sizes = [len(one) for one in inputs or ()]
        files = [] if known else _open_files(batch)
        self._piece += 1
        self.pieces[self._piece] = Piece(
            span.batch,
            span.start,
            span.stop,
            self._number + 1 - span.start,
            sum(sizes),
        )
        message = RunPiece(
            self._piece,
            self._generation,
            self._number + 1,
            batch.job,
            batch.attempt,
            span.start,
            span.stop,
            inputs,
            None if known else about,
            batch.token,
            len(files),
            batch.trace,
        )
        self._number += len(span)
        if not known:
            sizes.append(len(batch.parameters))
        self.end.post(message, max(sizes, default=0), files)

    def settle(self, number: int, start: int, stop: int) -> Batch | None:
        """Record the outcomes of the tasks [start, stop) of a piece, and return their batch.

        Returns None if the tasks are not this slot's any more because they were taken back.
        """
        piece = self.pieces.get(number)
        if piece is None or start != piece.start or stop > piece.stop:
            return None
        piece.start = stop
        self._drop_empty(number)
        return piece.batch

    def take_stopped(self, number: int, index: int) -> list[Span]:
        """Take the tasks of a piece that the slot did not start, from ``index`` on."""
        piece = self.pieces.get(number)
        if piece is None or not piece.start <= index < piece.stop:
            return []
        return [self._cut(number, index)]

    @property
    def is_going(self) -> bool:
        """Whether the slot will run nothing more than it does now."""
        going = self.retired or self.leaving or self.kill_reason
        return bool(going) or self.ended_seconds is not None

    def can_take_more(self, now_seconds: float) -> bool:
        """Return whether the slot may be sent tasks: it is healthy, reads, and is not in a long
        task.
        """
        if not self.ready or self.is_going:
            return False
        if not self.pieces:
            return True
        if self.end.is_backed_up:
            return False
        found = self.find_running()
        if found is None:
            return True
        _, _, running = found
        if self.grace_end_seconds is not None and running.number == self.grace_number:
            return False
        return now_seconds - running.since_seconds < PIECE_SECONDS

    def count_tasks(self) -> int:
        """Return the number of tasks without an outcome."""
        return sum(map(len, self.pieces.values()))

    def weigh(self, mean_of: Callable[[str], float | None]) -> Load:
        """Estimate the work that the slot holds."""
        pieces = self.pieces.values()
        return Load(
            self.count_tasks(),
            sum(len(piece) * (mean_of(piece.batch.job) or 0.0) for piece in pieces),
            sum([piece.input_bytes for piece in pieces][1:]),
        )

    def find_running(self) -> tuple[Piece, int, Running] | None:
        """Return the running task: its piece, its index, and since when it runs. None between
        tasks.
        """
        running = self.cell.read_running()
        if running is not None:
            for piece in self.pieces.values():
                index = running.number - piece.shift
                if piece.start <= index < piece.stop:
                    return piece, index, running
        return None

    def mark_activity(self) -> tuple[int, ...]:
        """Return what the slot is doing, in numbers that change as long as it does something."""
        return self._piece, self.cell.started, self.end.bytes_in, measure(self.end.outgoing)

    def dismiss(self, why: str) -> None:
        """Make the slot exit as soon as it holds no tasks; until then it is sent none."""
        self.leaving = why

    def send_off(self) -> None:
        """Tell a slot that was dismissed to exit, if it holds no more tasks."""
        if self.leaving and not (self.pieces or self.retired) and self.ended_seconds is None:
            self.end.post(Retire(self.leaving))
            self.note_retired(self.leaving)

    def note_retired(self, why: str) -> None:
        """Record why the slot has said that it exits."""
        self.retired, self.retired_seconds = why, time.monotonic()

    def list_unstarted(self) -> Iterator[Span]:
        """Iterate over what the slot had not started a moment ago."""
        started = self.cell.started
        for piece in self.pieces.values():
            first = max(piece.start, started - piece.shift + 1)
            if first < piece.stop:
                yield Span(piece.batch, first, piece.stop)

    def revoke(self) -> None:
        """Forbid the slot to start what it was sent so far."""
        self._generation = self.cell.revoke()

    def take_unstarted(self) -> list[Span]:
        """Take the revoked tasks that have not started. Those that have started stay with the
        slot.
        """
        started = self.cell.started
        taken: list[Span] = []
        for number, piece in list(self.pieces.items()):
            first = max(piece.start, started - piece.shift + 1)
            if first < piece.stop:
                taken.append(self._cut(number, first))
        return taken

    def _cut(self, number: int, stop: int) -> Span:
        """Take the tasks of a piece from ``stop`` on."""
        piece = self.pieces[number]
        taken = Span(piece.batch, stop, piece.stop)
        piece.stop = stop
        self._drop_empty(number)
        return taken

    def _drop_empty(self, number: int) -> None:
        if not len(self.pieces[number]):
            del self.pieces[number]

    def take_all(self) -> list[Span]:
        """Take all tasks without an outcome. This is for a dead slot."""
        taken = [Span(piece.batch, piece.start, piece.stop) for piece in self.pieces.values()]
        self.pieces.clear()
        return taken

    def kill_for(self, kill_reason: KillReason, number: int = 0) -> None:
        """Kill the slot, once, and record why. Its end is reported like that of any other slot."""
        if self.kill_reason is None:
            self.kill_reason, self.killed_number = kill_reason, number
            # This is what it used since its last report; nobody can tell later.
            self.killed_cpu_seconds = max(0.0, read_cpu_seconds(self.pid) - self.cpu_seconds)
            self.kill()

    def call_off(self, number: int, grace_end_seconds: float) -> None:
        """Cancel the task of this number. It has until then if it asks, otherwise the slot is
        killed.
        """
        if not self.cell.ask_to_end(number):
            self.kill_for("cancel", number)
        elif self.grace_number != number:
            self.grace_number, self.grace_end_seconds = number, grace_end_seconds

    def kill(self) -> None:
        assert self.exit, "it has been started"
        self.exit.kill()

    def reap(self) -> int | None:
        """Free the resources of a dead slot, and return its exit status, negative for a signal.

        Returns None if the status is not known, because the fork server that would know it has
        ended, and the kernel does not tell this process.
        """
        join = self.exit.join if self.exit else self._process.join
        join(STATUS_SECONDS)
        status = self._process.exitcode
        if status is None and isinstance(self._process, ForkedSlot):
            self._process.end_server()
            join(ANSWER_SECONDS)
            status = self._process.exitcode
        if self.exit:
            self.exit.close()
        if status is not None:
            self._process.close()
        self.end.close()
        self.cut_off = self.cell.is_cut_off
        self.cell.close()
        return status


def _open_files(batch: Batch) -> list[int]:
    """Open the files that contain parameters, for a slot. Return none if one cannot be opened.

    The slot then opens it by its path, or fails to, and reports the error.
    """
    if not CARRIES_FILES:
        return []
    with contextlib.ExitStack() as opened:
        files: list[int] = []
        with contextlib.suppress(OSError):
            for _, path, _ in batch.data:
                files.append(os.open(path, os.O_RDONLY | CLOEXEC))
                opened.callback(os.close, files[-1])
            opened.pop_all()
            return files
    return []
