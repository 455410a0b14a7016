"""How the values of a job's tasks become its result."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from headrace_services.destination import open_destination
from headrace_services.gmp import to_decimal
from headrace_services.primes.coverage import Coverage
from headrace_services.primes.partition import RANGE_END, Partition
from headrace_services.service import Gathered
from headrace_wire.errors import OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace_services.service import Parameters, Target

#: The formats in which the verdicts of a test can be written.
TEST_FORMATS = ("text", "json")


def gather_sum(
    parameters: Parameters, values: Iterator[tuple[int, bytes]], target: Target
) -> Gathered:
    """Add up counts. Raises OutputError if a task's count is missing.

    If there is a path, the number is written there as a line.
    """
    if target.format not in (None, "text", "json"):
        raise UsageError(f"a count cannot be written as {target.format}: use text or json")
    partition = Partition.from_parameters(parameters)
    total, seen = 0, Coverage()
    for index, value in values:
        total += int(value)
        seen.add(index)
    missing = seen.find_missing(partition.tasks)
    if missing is not None:
        raise OutputError(f"the count is not complete: {_name_missing(partition, *missing)}")
    if target.path is None:
        return Gathered(result=total, text=f"{total}\n")
    with open_destination(target) as file:
        file.write(b"%d\n" % total)
    return Gathered(result=total, written=f"the count {total:,} to {target.path}")


def gather_primes(
    parameters: Parameters, values: Iterator[tuple[int, bytes]], target: Target
) -> Gathered:
    """Write primes in order. Raises OutputError if a task's primes are missing."""
    from headrace_services.primes.writers import (  # noqa: PLC0415 - NumPy, which counts don't need
        WRITERS,
    )

    writer = WRITERS.get(target.format or "text")
    if writer is None:
        raise UsageError(f"primes cannot be written as {target.format}: use {', '.join(WRITERS)}")
    partition = Partition.from_parameters(parameters)
    with open_destination(target) as file:
        # Standard output may be a file to which data can only be appended.
        rewindable = target.path is not None and file.seekable()
        found = writer(
            _check_order(partition, values), file, stop=partition.stop, rewindable=rewindable
        )
    if target.path is None:
        return Gathered(written=f"{_name_primes(found)} to standard output")
    size = f" ({_show_bytes(target.path.stat().st_size)})" if target.path.is_file() else ""
    return Gathered(
        result={"primes": found, "path": str(target.path)},
        written=f"{_name_primes(found)}{size} to {target.path}",
    )


def gather_verdicts(
    parameters: Parameters, values: Iterator[tuple[int, bytes]], target: Target
) -> Gathered:
    """Report each number in the given order. Raises OutputError if one is missing.

    The lines are ``N prime`` or ``N composite``, where "composite" only means "not prime": it is
    also written for 0 and 1. The result is a list of ``{"number": N, "prime": bool}``, in which
    numbers from 2^64 on are text, because few readers of JSON accept longer ones. Without a path or
    a format it is completely held in memory; otherwise it is written as it comes.
    """
    total = int(str(parameters.get("numbers")))
    verdicts = _check_verdicts(total, values)
    if target.path is None and target.format is None:
        listed = list(verdicts)
        return Gathered(
            result=[_make_entry(number, prime=prime) for number, prime in listed],
            text="".join(_make_line(number, prime=prime) for number, prime in listed),
        )
    if target.format not in (None, *TEST_FORMATS):
        raise UsageError(
            f"verdicts cannot be written as {target.format}: use {', '.join(TEST_FORMATS)}"
        )
    with open_destination(target) as file:
        opening = "["
        for number, prime in verdicts:
            if target.format == "json":
                file.write((opening + json.dumps(_make_entry(number, prime=prime))).encode())
                opening = ",\n "
            else:
                file.write(_make_line(number, prime=prime).encode())
        if target.format == "json":
            file.write(b"]\n" if total else b"[]\n")
    place = "standard output" if target.path is None else target.path
    return Gathered(written=f"{total:,} verdicts to {place}")


GATHERERS = {
    "find": gather_primes,
    "count": gather_sum,
    "test": gather_verdicts,
    "tuplets": gather_sum,
}


def _check_order(partition: Partition, values: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    expected = 0
    for index, value in values:
        if index != expected:
            missing = _name_missing(partition, expected, max(index, expected + 1))
            raise OutputError(f"the primes are not complete: {missing}")
        yield value
        expected += 1
    if expected < partition.tasks:
        missing = _name_missing(partition, expected, partition.tasks)
        raise OutputError(f"the primes are not complete: {missing}")


def _check_verdicts(total: int, values: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bool]]:
    from headrace_services.primes.batches import (  # noqa: PLC0415 - gmpy2, which counts don't need
        decode_verdicts,
    )

    found = 0
    for expected, (index, value) in enumerate(values):
        if index != expected:
            raise OutputError(
                f"the verdicts are not complete: task {expected} has none, after {found:,} of "
                f"{total:,} numbers"
            )
        for verdict in decode_verdicts(value):
            yield verdict
            found += 1
    if found < total:
        raise OutputError(
            f"the verdicts are not complete: the last {total - found:,} of {total:,} numbers have "
            "none"
        )


def _name_missing(partition: Partition, first: int, end: int) -> str:
    low, _ = partition.locate(first)
    _, high = partition.locate(end - 1)
    tasks = f"task {first}" if end - first == 1 else f"tasks {first} to {end - 1}"
    return f"{tasks} (numbers from {low} to {high}) failed or never ran"


def _name_primes(found: int) -> str:
    return f"{found:,} prime" if found == 1 else f"{found:,} primes"


def _show_bytes(size: int) -> str:
    amount, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{size} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def _make_entry(number: int, *, prime: bool) -> dict[str, object]:
    return {"number": number if number < RANGE_END else to_decimal(number), "prime": prime}


def _make_line(number: int, *, prime: bool) -> str:
    return f"{to_decimal(number)} {'prime' if prime else 'composite'}\n"
