"""One job as the queue keeps it: where each of its tasks stands, in ranges.

Every task of a job is in exactly one of these places:

    fresh ─► leased ─► done                  fresh:   never leased, or handed back untouched
      ▲        │ └───► dead ─► (retry)       again:   leased before without an outcome; leasable
      │        ▼         │                   delayed: failed, waiting out its pause
      └──── delayed ◄────┘                   leased:  held by a worker, in one of the leases
            again

A cancelled job keeps what is done and dead; its other tasks are nowhere until a retry.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from dataclasses import dataclass, field

from headrace_coordinator.ranges import RangeSet
from headrace_wire.messages import (
    CANCELLED,
    FAILED,
    FINAL_STATES,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    JobSpec,
    JobStatus,
)

#: Weight of the newest report in the running mean of a job's seconds per task.
MEAN_WEIGHT = 0.3


@dataclass(slots=True)
class HeldLease:
    """Tasks of one job that a worker holds. ``held`` shrinks as outcomes arrive."""

    id: int
    job: str
    worker: str
    attempt: int
    start: int
    stop: int
    held: RangeSet
    request: int


@dataclass(slots=True)
class Chunks:
    """Which inputs were put together, and how many bytes they take. In index order."""

    starts: list[int] = field(default_factory=list[int])
    stops: list[int] = field(default_factory=list[int])
    sizes: list[int] = field(default_factory=list[int])

    def append(self, start: int, stop: int, size_bytes: int) -> None:
        self.starts.append(start)
        self.stops.append(stop)
        self.sizes.append(size_bytes)

    def touching(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """The chunks, as (start, stop, bytes), that hold inputs of tasks [start, stop)."""
        first = max(0, bisect_right(self.starts, start) - 1)
        found: list[tuple[int, int, int]] = []
        for place in range(first, len(self.starts)):
            if self.starts[place] >= stop:
                break
            if self.stops[place] > start:
                found.append((self.starts[place], self.stops[place], self.sizes[place]))
        return found

    def fit(self, start: int, stop: int, max_bytes: int) -> int:
        """The largest stop up to which inputs from ``start`` on take ``max_bytes``, at least one.

        A chunk's bytes are taken to be spread evenly over its tasks.
        """
        left = float(max_bytes)
        for chunk_start, chunk_stop, size in self.touching(start, stop):
            begin, end = max(start, chunk_start), min(stop, chunk_stop)
            each = size / (chunk_stop - chunk_start)
            if each * (end - begin) > left:
                return max(start + 1, begin + int(left / each))
            left -= each * (end - begin)
        return stop


@dataclass(slots=True)
class Job:
    """A job's tasks, counts and times. ``…_at`` are Unix seconds, for people only."""

    spec: JobSpec
    submitted_at: float
    virtual_seconds: float = 0.0
    tasks: int = 0
    sealed: bool = False
    state: str = QUEUED
    fresh: RangeSet = field(default_factory=RangeSet)
    again: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    delayed: list[tuple[float, int, int]] = field(default_factory=list[tuple[float, int, int]])
    leases: dict[int, HeldLease] = field(default_factory=dict[int, HeldLease])
    leased: int = 0
    done: RangeSet = field(default_factory=RangeSet)
    dead: RangeSet = field(default_factory=RangeSet)
    chunks: Chunks = field(default_factory=Chunks)
    mean_seconds: float | None = None
    cpu_seconds: float = 0.0
    busy_seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    results_kept: bool = True
    #: Monotonic times: since when the oldest waiting task waits, and the client's last word.
    waiting_since: float = 0.0
    heard: float = 0.0

    @property
    def is_final(self) -> bool:
        return self.state in FINAL_STATES

    @property
    def waiting(self) -> int:
        """Tasks that could be leased now."""
        return self.fresh.count + sum(stop - start for start, stop, _ in self.again)

    def has_work(self) -> bool:
        return bool(self.fresh or self.again)

    def take(self, most: int, max_bytes: int) -> tuple[int, int, int]:
        """Take a run of waiting tasks: (start, stop, attempts so far). There must be some.

        Tasks that were lost or failed before come first, and in ever smaller runs, so that one
        that kills its worker is soon alone.
        """
        if self.again:
            start, stop, attempts = self.again.pop()
            cut = start + max(1, min(most, (stop - start) >> (2 * attempts)))
            if self.spec.carried:
                cut = min(cut, self.chunks.fit(start, cut, max_bytes))
            if cut < stop:
                self.again.append((cut, stop, attempts))
            return start, cut, attempts
        start, stop = self.fresh.pop_first(most)
        if self.spec.carried:
            cut = self.chunks.fit(start, stop, max_bytes)
            self.fresh.add(cut, stop)
            stop = cut
        return start, stop, 0

    def give_back(self, start: int, stop: int, attempts: int, now: float) -> None:
        """Let tasks wait, from monotonic ``now`` on, that were attempted this many times."""
        if not self.has_work():
            self.waiting_since = now
        if attempts:
            self.again.append((start, stop, attempts))
        else:
            self.fresh.add(start, stop)

    def forget_waiting(self, start: int, stop: int) -> None:
        """Take tasks out of wherever they wait: their outcome came from elsewhere."""
        self.fresh.remove(start, stop)
        kept: list[tuple[int, int, int]] = []
        for left, right, attempts in self.again:
            remains = RangeSet([(left, right)])
            remains.remove(start, stop)
            kept.extend((begin, end, attempts) for begin, end in remains)
        self.again = kept
        if self.delayed:
            self.delayed = [entry for entry in self.delayed if not start <= entry[1] < stop]
            heapq.heapify(self.delayed)

    def learn_seconds(self, tasks: int, busy_seconds: float) -> None:
        """Update the running mean of seconds per task."""
        mean = busy_seconds / tasks
        if self.mean_seconds is None:
            self.mean_seconds = mean
        else:
            self.mean_seconds += (mean - self.mean_seconds) * MEAN_WEIGHT

    def settle(self, now_at: float) -> None:
        """Set the state that follows from the counts."""
        finished = self.done.count + self.dead.count
        if self.is_final:
            return
        if self.sealed and finished == self.tasks:
            self.state = FAILED if self.dead else SUCCEEDED
            self.finished_at = now_at
        elif self.started_at is not None:
            self.state = RUNNING

    def clear_unfinished(self) -> None:
        """Drop every task that is neither done nor dead from where it was."""
        self.fresh = RangeSet()
        self.again.clear()
        self.delayed.clear()
        self.leases.clear()
        self.leased = 0

    def status(self, now_at: float, waiting_for: str) -> JobStatus:
        unfinished = self.tasks - self.done.count - self.dead.count
        until = self.finished_at if self.is_final else now_at
        return JobStatus(
            id=self.spec.id,
            state=self.state,
            service=self.spec.service,
            operation=self.spec.operation,
            name=self.spec.name,
            priority=self.spec.priority,
            parameters=self.spec.parameters,
            tasks=self.tasks,
            sealed=self.sealed,
            waiting=self.waiting,
            leased=self.leased,
            retrying=len(self.delayed),
            done=self.done.count,
            failed=self.dead.count,
            cancelled=unfinished if self.state == CANCELLED else 0,
            retries=self.spec.retries,
            timeout_seconds=self.spec.timeout_seconds,
            cpu_seconds=self.cpu_seconds,
            busy_seconds=self.busy_seconds,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            submitted_at=self.submitted_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            wall_seconds=None if until is None else max(0.0, until - self.submitted_at),
            results_kept=self.results_kept,
            waiting_for=waiting_for,
        )
