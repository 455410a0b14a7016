"""The tasks that wait in the pool, as spans in the order in which they are to start."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from headrace_wire.messages.reports import ReturnedSpan
from headrace_worker.pool.batch import Batch


class Span(Struct):
    """The tasks [start, stop) of a batch."""

    batch: Batch
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def without(self, other: Span) -> list[Span]:
        """Return what remains of this span without ``other``."""
        if other.batch is not self.batch:
            return [self]
        before = Span(self.batch, self.start, min(self.stop, other.start))
        after = Span(self.batch, max(self.start, other.stop), self.stop)
        return [rest for rest in (before, after) if rest.start < rest.stop]


def join_spans(spans: Iterable[Span]) -> list[Span]:
    """Sort spans, and join adjacent ones."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.batch.key, one.start)):
        if joined and joined[-1].batch is span.batch and joined[-1].stop == span.start:
            joined[-1].stop = span.stop
        else:
            joined.append(span)
    return joined


def return_spans(
    spans: Iterable[Span], count_off: Callable[[Batch, int], object]
) -> list[ReturnedSpan]:
    """Return the events that hand back these spans, except for cancelled batches.

    ``count_off(batch, tasks)`` is called with the number of tasks of a batch that are removed.
    """
    returned: list[ReturnedSpan] = []
    for span in join_spans(spans):
        batch = span.batch
        if not batch.cancelled:
            count_off(batch, len(span))
            returned.append(ReturnedSpan(batch.key, batch.job, span.start, span.stop))
    return returned


class Backlog:
    """Waiting spans, first in, first out. Not thread-safe."""

    def __init__(self) -> None:
        self._spans: deque[Span] = deque()
        self.tasks = 0

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    @property
    def head(self) -> Span | None:
        return self._spans[0] if self._spans else None

    def append(self, span: Span) -> None:
        self._spans.append(span)
        self.tasks += len(span)

    def put_back(self, spans: Iterable[Span]) -> None:
        """Put spans at the head, in their order. Spans of cancelled batches are dropped."""
        kept = [span for span in spans if len(span) and not span.batch.cancelled]
        self._spans.extendleft(reversed(kept))
        self.tasks += sum(map(len, kept))

    def take(self, tasks: int, span: Span) -> Span:
        """Take the first ``tasks`` of a waiting span."""
        stop = min(span.stop, span.start + tasks)
        taken = Span(span.batch, span.start, stop)
        span.start = stop
        if not len(span):
            self._spans.remove(span)
        self.tasks -= len(taken)
        return taken

    def take_all(self) -> list[Span]:
        return self.take_after(0)

    def take_after(self, tasks: int) -> list[Span]:
        """Take all but the first ``tasks`` tasks."""
        taken: list[Span] = []
        while self.tasks > tasks:
            span = self._spans[-1]
            stop = span.stop
            span.stop -= min(len(span), self.tasks - tasks)
            if not len(span):
                self._spans.pop()
            taken.append(Span(span.batch, span.stop, stop))
            self.tasks -= len(taken[-1])
        return taken[::-1]
