"""What a page shows of primes: how many there are, the first, the last, and the largest gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace_services.gmp import to_decimal
from headrace_services.presentation import Presented, Summary
from headrace_services.primes.partition import Partition

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The names of tuplets, by size.
_TUPLETS = {2: "Twins", 3: "Triplets", 4: "Quadruplets", 5: "Quintuplets", 6: "Sextuplets"}

#: The names of the files with the results of each operation.
FILES = {"find": "primes.txt", "count": "count.txt", "test": "verdicts.txt", "tuplets": "count.txt"}

#: The maximum number of digits of a number that is shown completely.
_MOST_DIGITS = 40


def summarize_primes(about: Presented, values: Iterator[tuple[int, bytes]]) -> Summary:
    """Summarise the values of a job."""
    if not about.ended:
        return Summary(message="There is a summary when the job has ended.")
    if not about.is_whole:
        return Summary(
            message="Some of its tasks failed or never ran: without them there is no sum."
        )
    if about.operation == "find":
        return Summary(_sum_up(values))
    if about.operation == "test":
        return Summary(_sum_up_verdicts(values))
    name = "Primes"
    if about.operation == "tuplets":
        name = _TUPLETS.get(int(str(about.parameters.get("size"))), "Tuplets")
    total = sum(int(value) for _, value in values)
    partition = Partition.from_parameters(about.parameters)
    return Summary(((name, f"{total:,}"), ("Range", f"{partition.start:,} to {partition.stop:,}")))


def _sum_up(values: Iterator[tuple[int, bytes]]) -> tuple[tuple[str, str], ...]:
    """Return facts about primes in ascending order. Raises ValueError for others."""
    from numpy import argmax, diff  # noqa: PLC0415 - counts need none

    from headrace_services.primes.gaps import decode_runs  # noqa: PLC0415 - NumPy

    count, first, last, gap, gap_begin = 0, 0, 0, 0, 0
    for _, value in values:
        for base, distances in decode_runs(value):
            begin = base + int(distances[0])
            if not count:
                first = begin
            elif begin - last > gap:
                gap, gap_begin = begin - last, last
            if count and begin <= last:
                raise ValueError("these are no primes in ascending order")
            if len(distances) > 1:
                steps = diff(distances)
                place = int(argmax(steps))
                if int(steps[place]) > gap:
                    gap, gap_begin = int(steps[place]), base + int(distances[place])
            count += len(distances)
            last = base + int(distances[-1])
    facts = [("Primes", f"{count:,}")]
    if count:
        facts += [("First", f"{first:,}"), ("Last", f"{last:,}")]
    if gap:
        facts += [("Largest gap", f"{gap:,}, from {gap_begin:,} to {gap_begin + gap:,}")]
    return tuple(facts)


def _sum_up_verdicts(values: Iterator[tuple[int, bytes]]) -> tuple[tuple[str, str], ...]:
    from headrace_services.primes.batches import decode_verdicts  # noqa: PLC0415 - gmpy2

    numbers = primes = largest = 0
    for _, value in values:
        for number, is_prime in decode_verdicts(value):
            numbers += 1
            if is_prime:
                primes += 1
                largest = max(largest, number)
    facts = [("Numbers", f"{numbers:,}"), ("Primes", f"{primes:,}")]
    if primes:
        digits = to_decimal(largest)
        if len(digits) > _MOST_DIGITS:
            digits = f"{digits[:12]}…{digits[-12:]} ({len(digits):,} digits)"
        facts += [("Largest prime", digits)]
    return tuple(facts)
