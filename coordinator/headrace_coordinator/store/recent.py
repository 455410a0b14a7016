"""A cache of inputs and results that were committed recently, which saves reading the store.

The inputs of a call that somebody waits for are leased as soon as they are put, and its result is
fetched as soon as it is reported. Reading both from the database would take about 50 µs, a fifth of
what the coordinator does for a call. Everything that is not here is in the store.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_wire.batch import slice_batch
from headrace_wire.messages.results import ResultSpan

#: The maximum size of cached inputs, and of cached results, in bytes.
MOST_BYTES = 1 << 18

#: Larger batches are not cached, so that they do not displace many small ones.
LARGEST_BYTES = 16 << 10

#: The size of a cache entry in addition to its batch, in bytes.
ENTRY_BYTES = 256


class Recent:
    """The contents of the last commits."""

    def __init__(self) -> None:
        self.inputs = RecentInputs()
        self.results = RecentResults()

    def note(self, happened: Sequence[Event], run_numbers: Iterable[int]) -> None:
        """Add what was committed. ``run_numbers`` are the numbers of its spans of results, in
        order.
        """
        numbers = iter(run_numbers)
        for event in happened:
            match event:
                case events.InputsPut():
                    self.inputs.add(event.job, event.start, event.stop, event.inputs)
                case events.InputsDropped():
                    self.inputs.drop(event.job, event.start)
                case events.SpanDone():
                    run = ResultSpan(event.start, event.stop, event.values)
                    self.results.add(event.job, next(numbers), run)
                case events.JobSubmitted(spec) if spec.owned:
                    self.results.begin(spec.id)
                case events.JobDeleted():
                    self.inputs.drop_job(event.job)
                    self.results.drop_job(event.job)
                case _:
                    pass


class _Budget:
    """Counts the bytes of the cached batches."""

    _bytes = 0

    def _take(self, batch: bytes) -> bool:
        """Count a batch if there is room for it. Returns whether there is."""
        size_bytes = len(batch) + ENTRY_BYTES
        if len(batch) > LARGEST_BYTES or self._bytes + size_bytes > MOST_BYTES:
            return False
        self._bytes += size_bytes
        return True

    def _give_back(self, batches: Iterable[bytes]) -> None:
        self._bytes -= sum(len(batch) + ENTRY_BYTES for batch in batches)


class RecentInputs(_Budget):
    """Batches of inputs until their tasks are done."""

    def __init__(self) -> None:
        #: By job and first task: the index after the last task, and the batch.
        self._jobs: dict[str, dict[int, tuple[int, bytes]]] = {}

    def add(self, job: str, start: int, stop: int, batch: bytes) -> None:
        """Add a batch, if there is room for it."""
        if self._take(batch):
            self._jobs.setdefault(job, {})[start] = stop, batch

    def drop(self, job: str, start: int) -> None:
        """Remove the batch that begins at ``start``."""
        batches = self._jobs.get(job, {})
        if start in batches:
            self._give_back([batches.pop(start)[1]])

    def drop_job(self, job: str) -> None:
        self._give_back(batch for _, batch in self._jobs.pop(job, {}).values())

    def find(self, job: str, start: int, stop: int) -> tuple[bytes, ...] | None:
        """Return batches that together contain the inputs of tasks [start, stop).

        None unless all of them are here and a batch begins at ``start``.
        """
        batches = self._jobs.get(job, {})
        found: list[bytes] = []
        while start < stop:
            if start not in batches:
                return None
            end, batch = batches[start]
            found.append(slice_batch(batch, 0, min(stop, end) - start))
            start = end
        return tuple(found)


class RecentResults(_Budget):
    """The newest results of owned jobs until they are delivered."""

    def __init__(self) -> None:
        self._tails: dict[str, _Tail] = {}

    def begin(self, job: str) -> None:
        """Cache the results of a new job from now on."""
        self._tails[job] = _Tail()

    def add(self, job: str, number: int, run: ResultSpan) -> None:
        """Add the ``number``-th span of results, if its job is new and there is room for it."""
        tail = self._tails.get(job)
        if tail is None:
            return
        if self._take(run.values):
            tail.runs.append((number, run))
        else:  # this span and earlier ones are left to the store
            self._give_back(kept.values for _, kept in tail.runs)
            tail.runs.clear()
            tail.after = number

    def drop_job(self, job: str) -> None:
        tail = self._tails.pop(job, None)
        if tail:
            self._give_back(run.values for _, run in tail.runs)

    def find(self, job: str, number: int, max_bytes: int) -> tuple[list[ResultSpan], int] | None:
        """Return what ``StoreReader.read_results_after`` returns, None if the store may have more.

        Spans up to the ``number``-th count as delivered.
        """
        tail = self._tails.get(job)
        if tail is None or number < tail.after:
            return None
        while tail.runs and tail.runs[0][0] <= number:
            tail.after, run = tail.runs.popleft()
            self._give_back([run.values])
        found: list[ResultSpan] = []
        size = 0
        for last, run in tail.runs:
            if found and size >= max_bytes:
                break
            found.append(run)
            size += len(run.values)
            number = last
        return found, number


class _Tail(Struct):
    """All spans of results of a job after the ``after``-th, in order."""

    after: int = 0
    runs: deque[tuple[int, ResultSpan]] = field(default_factory=deque[tuple[int, ResultSpan]])
