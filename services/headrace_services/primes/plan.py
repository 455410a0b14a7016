"""How a job about primes is divided into tasks. Impossible jobs are refused here, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace_services.primes.notation import MAX_CANDIDATE_BITS, show_number
from headrace_services.primes.partition import (
    RANGE_END,
    choose_counting_span,
    choose_finding_span,
    limit_finding_span,
    partition_range,
)
from headrace_services.service import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: The sizes of prime tuplets that can be counted.
TUPLET_SIZES = range(2, 7)


def plan_count(start: int, stop: int, span: int | None = None, *, slots: int | None = None) -> Plan:
    """Plan to count the primes in [start, stop).

    ``span`` is how many numbers a task has. Without it, it is chosen for the number of ``slots``,
    if that is known. Raises ValueError with one line for a range or span that is not possible.
    """
    partition_range(start, stop, RANGE_END)
    chosen = choose_counting_span(start, stop, slots) if span is None else span
    partition = partition_range(start, stop, chosen)

    def cut(slots: int) -> Plan:
        return plan_count(start, stop, span, slots=slots)

    return Plan("count", partition.to_parameters(), partition.tasks, cut=cut)


def plan_find(start: int, stop: int, span: int | None = None, *, slots: int | None = None) -> Plan:
    """Plan to find the primes in [start, stop). ``span`` and ``slots`` are the same as for
    counting.

    Raises ValueError with one line for a range or span that is not possible, including a span whose
    primes would not fit into one task's value.
    """
    partition_range(start, stop, RANGE_END)
    chosen = choose_finding_span(start, stop, slots) if span is None else span
    most = limit_finding_span(start)
    if chosen > most:
        raise ValueError(
            f"a span of {show_number(chosen)} has too many primes for one task: at most {most:,} "
            f"numbers from {start} on"
        )
    partition = partition_range(start, stop, chosen)

    def cut(slots: int) -> Plan:
        return plan_find(start, stop, span, slots=slots)

    return Plan("find", partition.to_parameters(), partition.tasks, cut=cut)


def plan_tuplets(
    start: int, stop: int, size: int, span: int | None = None, *, slots: int | None = None
) -> Plan:
    """Plan to count the prime tuplets of ``size`` 2 to 6 with all members in [start, stop).

    Raises ValueError with one line for a size, range or span that is not possible.
    """
    if size not in TUPLET_SIZES:
        raise ValueError(
            f"a tuplet size of {show_number(size)} is not known: give {TUPLET_SIZES[0]} (twins) "
            f"to {TUPLET_SIZES[-1]} (sextuplets)"
        )
    count = plan_count(start, stop, span, slots=slots)

    def cut(slots: int) -> Plan:
        return plan_tuplets(start, stop, size, span, slots=slots)

    return Plan("tuplets", {**count.parameters, "size": size}, count.tasks, cut=cut)


def plan_test(numbers: Iterable[int]) -> Plan:
    """Plan to test each number, in the given order. Numbers may be as large as 2^4000000.

    Raises ValueError with one line for a negative number and for one that is too large.
    """
    from headrace_services.primes.batches import (  # noqa: PLC0415 - imports msgpack
        deal_numbers,
    )

    given = list(numbers)
    for number in given:
        if number < 0:
            raise ValueError(f"{show_number(number)} is negative: only 0 and above can be tested")
        if number.bit_length() > MAX_CANDIDATE_BITS + 1:
            raise ValueError(
                f"{show_number(number)} is too large to be tested: at most 2^{MAX_CANDIDATE_BITS}"
            )
    dealt = deal_numbers(given)
    return Plan("test", {"numbers": len(given)}, len(dealt), _encode_inputs(given, dealt))


def _encode_inputs(numbers: Sequence[int], dealt: Sequence[range]) -> Iterator[bytes]:
    from headrace_services.primes.batches import (  # noqa: PLC0415 - imports msgpack
        encode_numbers,
    )

    for positions in dealt:
        yield encode_numbers(numbers[positions.start : positions.stop])
