"""The tasks that wait in the pool: runs of indices, in the order in which they are to start."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from headrace_worker.pool.batch import Batch


class Held(Struct, eq=False):
    """A batch that the pool holds, and how many of its tasks have no outcome yet."""

    batch: Batch
    remaining: int
    cancelled: bool = False


class Stretch(Struct):
    """The tasks [start, stop) of a batch."""

    held: Held
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def without(self, other: Stretch) -> list[Stretch]:
        """What is left of this stretch when ``other`` is taken out of it."""
        if other.held is not self.held:
            return [self]
        before = Stretch(self.held, self.start, min(self.stop, other.start))
        after = Stretch(self.held, max(self.start, other.stop), self.stop)
        return [rest for rest in (before, after) if rest.start < rest.stop]


class Line:
    """A line of stretches, first come first served. Not thread safe."""

    def __init__(self) -> None:
        self._stretches: deque[Stretch] = deque()
        self.tasks = 0

    def __iter__(self) -> Iterator[Stretch]:
        return iter(self._stretches)

    @property
    def head(self) -> Stretch | None:
        return self._stretches[0] if self._stretches else None

    def append(self, stretch: Stretch) -> None:
        self._stretches.append(stretch)
        self.tasks += len(stretch)

    def put_back(self, stretches: Iterable[Stretch]) -> None:
        """Put stretches at the head, in their order; those of cancelled batches are dropped."""
        kept = [stretch for stretch in stretches if len(stretch) and not stretch.held.cancelled]
        self._stretches.extendleft(reversed(kept))
        self.tasks += sum(map(len, kept))

    def take(self, tasks: int, stretch: Stretch | None = None) -> Stretch:
        """Take the first ``tasks`` of a stretch in line, the head if none is given."""
        head = stretch or self._stretches[0]
        stop = min(head.stop, head.start + tasks)
        taken = Stretch(head.held, head.start, stop)
        head.start = stop
        if not len(head):
            if head is self._stretches[0]:
                self._stretches.popleft()
            else:
                self._stretches = deque(one for one in self._stretches if one is not head)
        self.tasks -= len(taken)
        return taken

    def take_all(self) -> list[Stretch]:
        taken = list(self._stretches)
        self._stretches.clear()
        self.tasks = 0
        return taken
