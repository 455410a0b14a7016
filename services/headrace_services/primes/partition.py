"""A range of numbers cut into tasks by arithmetic, so that 10^9 tasks cost nothing to plan."""

from __future__ import annotations

from math import isqrt, log
from typing import TYPE_CHECKING

from msgspec import Struct

from headrace_services.primes.notation import show_number

if TYPE_CHECKING:
    from headrace_services.service import Parameters

#: First number that no range may hold.
RANGE_END = 2**64
#: Tasks of one job at most: what a store's signed 64-bit integer holds.
MAX_TASKS = 2**63 - 1

#: Slots that a job is cut for where nobody says how many there are.
_UNKNOWN_SLOTS = 16
#: Tasks for each slot, at least and at most, so that none waits long for another at the end.
_LEAST_PER_SLOT, _MOST_PER_SLOT = 4, 16
#: Numbers of a task, at least, in a job that is small: about 2.5 ms of counting with primesieve.
_LEAST_SPAN = 2 * 10**7
#: Numbers of a task to one number of the root of its stop where the task's start-up, the primes up
#: to that root, takes as long as the counting, about; and where it takes a twentieth of it.
_BEARABLE_ROOTS, _CHEAP_ROOTS = 3, 50
#: Numbers of a counting task where the start-up does not matter: 0.2 s near 0 with primesieve.
_COUNT_SPAN = 2 * 10**9
#: Numbers of a finding task likewise: about 30 ms, and a value of at most 3 MB.
_FIND_SPAN = 5 * 10**7
#: Numbers of a finding task where the start-up does matter: 45 MB in the slot, a value of 6 MB.
_LONG_FIND_SPAN = 2 * 10**8
#: Primes of one finding task, about, at most: a byte each in its value, which stays well below
#: 16 MiB, and 8 bytes each in the slot.
_MAX_PRIMES_PER_TASK = 12_000_000


class Partition(Struct, frozen=True):
    """The range [start, stop) in tasks of ``span`` numbers, the last one shorter."""

    start: int
    stop: int
    span: int

    @property
    def tasks(self) -> int:
        """How many tasks there are; 0 for an empty range."""
        return -(-(self.stop - self.start) // self.span)

    def locate(self, index: int) -> tuple[int, int]:
        """First number of a task, and the number behind its last.

        Raises ValueError for an index that the job does not have.
        """
        if not 0 <= index < self.tasks:
            raise ValueError(f"there is no task {index} in a job of {self.tasks:,} tasks")
        low = self.start + index * self.span
        return low, min(low + self.span, self.stop)

    def to_parameters(self) -> dict[str, object]:
        """Put into parameters; bounds as text, for 2^64 is beyond msgpack's integers."""
        span = self.span if self.span < RANGE_END else str(self.span)
        return {"start": str(self.start), "stop": str(self.stop), "span": span}

    @staticmethod
    def from_parameters(parameters: Parameters) -> Partition:
        """Read back from parameters; raises ValueError where they are not a partition's."""
        try:
            start, stop = int(str(parameters["start"])), int(str(parameters["stop"]))
            span = int(str(parameters["span"]))
        except KeyError as error:
            raise ValueError(f"the job's parameters lack {error}") from None
        return partition_range(start, stop, span)


def partition_range(start: int, stop: int, span: int) -> Partition:
    """Check a range and the span of its tasks.

    Raises ValueError with one line for a range that is negative, reversed or beyond 2^64, and for
    a span that is not positive or makes more than 2^63 - 1 tasks.
    """
    for bound in (start, stop):
        if bound < 0:
            raise ValueError(f"{show_number(bound)} is negative: a range starts at 0 or above")
        if bound > RANGE_END:
            raise ValueError(
                f"{show_number(bound)} is beyond 2^64: a range ends at {RANGE_END} at most"
            )
    if start > stop:
        raise ValueError(f"the range from {start} to {stop} is reversed: give the smaller first")
    if span < 1:
        raise ValueError(
            f"a span of {show_number(span)} is impossible: a task needs at least 1 number"
        )
    partition = Partition(start, stop, span)
    if partition.tasks > MAX_TASKS:
        raise ValueError(
            f"a span of {span} makes {partition.tasks:,} tasks of the range from {start} to "
            f"{stop}: at most {MAX_TASKS:,} are possible"
        )
    return partition


def choose_counting_span(start: int, stop: int, slots: int | None = None) -> int:
    """Numbers per task of a job that counts, for so many slots if that is known.

    Each task first makes the primes up to the square root of its stop, in about 0.9 ns for each
    number up to there: the span grows with that root, near 2^64 to where a task takes seconds.
    """
    return _choose_span(start, stop, max(_COUNT_SPAN, isqrt(stop) // 2), slots)


def choose_finding_span(start: int, stop: int, slots: int | None = None) -> int:
    """Numbers per task of a job that finds: as for counting, and its value must stay small."""
    root = isqrt(stop)
    most = max(_FIND_SPAN, min(2 * _BEARABLE_ROOTS * root, _LONG_FIND_SPAN), root // 4)
    return _choose_span(start, stop, min(most, limit_finding_span(start)), slots)


def limit_finding_span(start: int) -> int:
    """Numbers a finding task may have, at most, so that its value stays below 16 MiB.

    Near n about one number in ln(n) is prime, and primes are densest where the range starts; from
    0 on, the limit is about 208 million numbers with 11.5 million primes.
    """
    return int(_MAX_PRIMES_PER_TASK * log(max(start, 2 * 10**8)) / 1.1)


def _choose_span(start: int, stop: int, most: int, slots: int | None) -> int:
    root, numbers = isqrt(stop), stop - start
    shared = slots or _UNKNOWN_SLOTS
    fewest, finest = numbers // (shared * _LEAST_PER_SLOT), numbers // (shared * _MOST_PER_SLOT)
    # As fine as is cheap, within what the slots want; with very many slots, as fine as is bearable.
    span = max(finest, min(fewest, _CHEAP_ROOTS * root), _BEARABLE_ROOTS * root, _LEAST_SPAN)
    span = min(span, most)
    # Round numbers, so that a task's name in a log is easy to read.
    step = int(10 ** max(len(str(span)) - 2, 0))
    return span // step * step
