"""What was committed a moment ago, for those who ask for it at once.

The inputs of a call that somebody waits for are leased as soon as they are put, and its result is
fetched as soon as it is reported: to read each back from the database would cost a fifth of the
coordinator's part of the call. What is not here is in the store.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence

from headrace_coordinator.queue.events import (
    Event,
    InputsDropped,
    InputsPut,
    JobDeleted,
    JobSubmitted,
    RunDone,
)
from headrace_wire.batch import slice_batch
from headrace_wire.messages import ResultRun

#: Bytes of inputs, and bytes of results, that are kept here at most.
MOST_BYTES = 1 << 18

#: Larger batches are left to the store: to keep them takes memory from those that come.
LARGEST_BYTES = 16 << 10

#: Bytes that it takes to keep a batch, beside its own.
ENTRY_BYTES = 256


class Recent:
    """What the last commits brought."""

    def __init__(self) -> None:
        self.inputs = RecentInputs()
        self.results = RecentResults()

    def note(self, events: Sequence[Event], run_numbers: Iterable[int]) -> None:
        """Take in what was committed; ``run_numbers`` are those of the runs in it, in order."""
        numbers = iter(run_numbers)
        for event in events:
            match event:
                case InputsPut():
                    self.inputs.add(event.job, event.start, event.stop, event.inputs)
                case InputsDropped():
                    self.inputs.drop(event.job, event.start)
                case RunDone():
                    run = ResultRun(event.start, event.stop, event.values)
                    self.results.add(event.job, next(numbers), run)
                case JobSubmitted(spec) if spec.owned:
                    self.results.begin(spec.id)
                case JobDeleted():
                    self.inputs.drop_job(event.job)
                    self.results.drop_job(event.job)
                case _:
                    pass


class RecentInputs:
    """Batches of inputs until their tasks are done. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, dict[int, tuple[int, bytes]]] = {}
        self._bytes = 0

    def add(self, job: str, start: int, stop: int, batch: bytes) -> None:
        """Keep a batch, if there is room for it. Those of a job come in index order."""
        with self._lock:
            if len(batch) <= LARGEST_BYTES and self._bytes + _measure(batch) <= MOST_BYTES:
                self._jobs.setdefault(job, {})[start] = stop, batch
                self._bytes += _measure(batch)

    def drop(self, job: str, start: int) -> None:
        """Forget the batch that begins at ``start``."""
        with self._lock:
            batches = self._jobs.get(job, {})
            if start in batches:
                _, batch = batches.pop(start)
                self._bytes -= _measure(batch)

    def drop_job(self, job: str) -> None:
        with self._lock:
            self._bytes -= sum(_measure(batch) for _, batch in self._jobs.pop(job, {}).values())

    def find(self, job: str, start: int, stop: int) -> tuple[bytes, ...] | None:
        """Batches that together hold the inputs of tasks [start, stop). None: not all are here."""
        with self._lock:
            batches = self._jobs.get(job, {})
            left = start if start in batches else _find_before(list(batches), start)
            found: list[bytes] = []
            while start < stop:
                right, batch = batches.get(left, (0, b""))
                if right <= start:
                    return None
                found.append(slice_batch(batch, start - left, min(stop, right) - left))
                start = left = right
        return tuple(found)


class RecentResults:
    """The results of owned jobs until they are delivered. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tails: dict[str, _Tail] = {}
        self._bytes = 0

    def begin(self, job: str) -> None:
        """Keep what is done of a new job from now on."""
        with self._lock:
            self._tails[job] = _Tail()

    def add(self, job: str, number: int, run: ResultRun) -> None:
        """Keep a run, the ``number``-th of all, if its job is new and there is room for it."""
        with self._lock:
            tail = self._tails.get(job)
            if tail is None:
                return
            large = len(run.values) > LARGEST_BYTES
            if tail.missed or large or self._bytes + _measure(run.values) > MOST_BYTES:
                tail.missed = number
            else:
                tail.runs.append((number, run))
                self._bytes += _measure(run.values)

    def drop_job(self, job: str) -> None:
        with self._lock:
            tail = self._tails.pop(job, None)
            if tail:
                self._bytes -= sum(_measure(run.values) for _, run in tail.runs)

    def find(self, job: str, number: int, max_bytes: int) -> tuple[list[ResultRun], int] | None:
        """What ``StoreReader.read_results_after`` gives. None: the store may have more.

        Those up to the ``number``-th are taken to be delivered.
        """
        with self._lock:
            tail = self._tails.get(job)
            if tail is None or number < tail.after:
                return None
            while tail.runs and tail.runs[0][0] <= number:
                tail.after, run = tail.runs.popleft()
                self._bytes -= _measure(run.values)
            if tail.missed and not tail.runs:
                return None
            found: list[ResultRun] = []
            size = 0
            for last, run in tail.runs:
                if found and size >= max_bytes:
                    break
                found.append(run)
                size += len(run.values)
                number = last
            return found, number

    def resume(self, job: str, number: int) -> None:
        """Keep again what comes, if nothing was missed after the ``number``-th, which was read."""
        with self._lock:
            tail = self._tails.get(job)
            if tail and not tail.runs and tail.missed <= number:
                tail.after, tail.missed = number, 0


class _Tail:
    """The runs of a job after the ``after``-th of all, in order, up to one that was missed."""

    def __init__(self) -> None:
        self.after = 0
        self.missed = 0
        self.runs: deque[tuple[int, ResultRun]] = deque()


def _find_before(starts: list[int], start: int) -> int:
    place = bisect_right(starts, start)
    return starts[place - 1] if place else -1


def _measure(batch: bytes) -> int:
    return len(batch) + ENTRY_BYTES
