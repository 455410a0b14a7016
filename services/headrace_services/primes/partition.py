"""A range of numbers, divided into tasks by arithmetic: even 10^9 tasks take no time to plan."""

from __future__ import annotations

from math import isqrt, log
from typing import TYPE_CHECKING

from msgspec import Struct

from headrace_services.primes.notation import show_number

if TYPE_CHECKING:
    from headrace_services.service import Parameters

#: The first number that is beyond all ranges.
RANGE_END = 2**64
#: The maximum number of tasks of one job, which is what a store's signed 64-bit integer can hold.
MAX_TASKS = 2**63 - 1

#: The number of slots for which a job is divided if their number is not known.
_UNKNOWN_SLOTS = 16
#: How many tasks each slot gets, at least and at most, so that none waits long for others at the
#: end.
_LEAST_PER_SLOT, _MOST_PER_SLOT = 4, 16
#: The minimum of a task's numbers in a small job: about 2.5 ms of counting with primesieve.
_LEAST_SPAN = 2 * 10**7
#: A task begins by making the primes up to the root of its stop. If it has three times as many
#: numbers as that root is large, this takes about as long as the counting; with 50 times, a
#: twentieth of it.
_BEARABLE_ROOTS, _CHEAP_ROOTS = 3, 50
#: How many numbers a counting task has if this start does not matter: 0.2 s near 0 with primesieve.
_COUNT_SPAN = 2 * 10**9
#: The same for a finding task: about 30 ms, and a value of at most 3 MB.
_FIND_SPAN = 5 * 10**7
#: How many numbers a finding task has if the start does matter: 45 MB in the slot, a value of 6 MB.
_LONG_FIND_SPAN = 2 * 10**8
#: The maximum number of primes of one finding task, approximately. Each has one byte in its value,
#: which stays well below 16 MiB, and 8 bytes in the slot.
_MAX_PRIMES_PER_TASK = 12_000_000


class Partition(Struct, frozen=True):
    """The range [start, stop) in tasks of ``span`` numbers. The last one may be shorter."""

    start: int
    stop: int
    span: int

    @property
    def tasks(self) -> int:
        """How many tasks there are; 0 for an empty range."""
        return -(-(self.stop - self.start) // self.span)

    def locate(self, index: int) -> tuple[int, int]:
        """Return the first number of a task, and the number after its last.

        Raises ValueError for an index that the job does not have.
        """
        if not 0 <= index < self.tasks:
            raise ValueError(f"there is no task {index} in a job of {self.tasks:,} tasks")
        low = self.start + index * self.span
        return low, min(low + self.span, self.stop)

    def to_parameters(self) -> dict[str, object]:
        """Return this as parameters. Bounds are text, as 2^64 exceeds msgpack's integers."""
        span = self.span if self.span < RANGE_END else str(self.span)
        return {"start": str(self.start), "stop": str(self.stop), "span": span}

    @staticmethod
    def from_parameters(parameters: Parameters) -> Partition:
        """Read this from parameters. Raises ValueError if they are not those of a partition."""
        try:
            start, stop = int(str(parameters["start"])), int(str(parameters["stop"]))
            span = int(str(parameters["span"]))
        except KeyError as error:
            raise ValueError(f"the job's parameters lack {error}") from None
        return partition_range(start, stop, span)


def partition_range(start: int, stop: int, span: int) -> Partition:
    """Check a range and the span of its tasks.

    Raises ValueError with one line for a range that is negative, reversed or beyond 2^64, and for a
    span that is not positive or makes more than 2^63 - 1 tasks.
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
    """Return how many numbers a counting task has, for this number of slots if that is known.

    Each task first makes the primes up to the square root of its stop, which takes about 0.9 ns for
    each number up to there. So the span grows with that root; near 2^64 a task takes seconds.
    """
    return _choose_span(start, stop, max(_COUNT_SPAN, isqrt(stop) // 2), slots)


def choose_finding_span(start: int, stop: int, slots: int | None = None) -> int:
    """Return how many numbers a finding task has. Its value, unlike a count, must stay small."""
    root = isqrt(stop)
    most = max(_FIND_SPAN, min(2 * _BEARABLE_ROOTS * root, _LONG_FIND_SPAN), root // 4)
    return _choose_span(start, stop, min(most, limit_finding_span(start)), slots)


def limit_finding_span(start: int) -> int:
    """Return how many numbers a finding task may have, so that its value stays below 16 MiB.

    Near n about one number in ln(n) is prime, and primes are densest where the range starts. From 0
    on, the limit is about 208 million numbers with 11.5 million primes.
    """
    return int(_MAX_PRIMES_PER_TASK * log(max(start, 2 * 10**8)) / 1.1)


def _choose_span(start: int, stop: int, most: int, slots: int | None) -> int:
    root, numbers = isqrt(stop), stop - start
    shared = slots or _UNKNOWN_SLOTS
    fewest, finest = numbers // (shared * _LEAST_PER_SLOT), numbers // (shared * _MOST_PER_SLOT)
    # Tasks are as small as is cheap, within what the slots need; if there are very many slots, as
    # small as is still acceptable.
    span = max(finest, min(fewest, _CHEAP_ROOTS * root), _BEARABLE_ROOTS * root, _LEAST_SPAN)
    span = min(span, most)
    # Round numbers make a task's name in a log easy to read.
    step = int(10 ** max(len(str(span)) - 2, 0))
    return span // step * step
