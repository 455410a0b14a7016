"""What a slot does for one task of each operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace_services.primes.batches import test_numbers
from headrace_services.primes.engine import choose_engine
from headrace_services.primes.gaps import encode_primes
from headrace_services.primes.partition import Partition
from headrace_services.primes.tuplets import PATTERNS, count_straddling

if TYPE_CHECKING:
    from headrace_services.service import Parameters, TaskRunner


def prepare_count(parameters: Parameters) -> TaskRunner:
    """Count a task's primes. The value is the count in decimal."""
    partition, engine = Partition.from_parameters(parameters), choose_engine()

    def run(index: int, _: bytes | None) -> bytes:
        return b"%d" % engine.count(*partition.locate(index))

    return run


def prepare_find(parameters: Parameters) -> TaskRunner:
    """Find a task's primes. The value is their gap code."""
    partition, engine = Partition.from_parameters(parameters), choose_engine()

    def run(index: int, _: bytes | None) -> bytes:
        return encode_primes(engine.generate(*partition.locate(index)))

    return run


def prepare_tuplets(parameters: Parameters) -> TaskRunner:
    """Count the tuplets whose last member is in a task. The value is the count in decimal.

    Raises ValueError for a size that is not known.
    """
    partition, engine = Partition.from_parameters(parameters), choose_engine()
    size = int(str(parameters.get("size")))
    if size not in PATTERNS:
        raise ValueError(f"a tuplet size of {size} is not known")

    def run(index: int, _: bytes | None) -> bytes:
        low, high = partition.locate(index)
        within = engine.count_tuplets(low, high, size)
        return b"%d" % (within + count_straddling(partition.start, low, high, size))

    return run


def prepare_test(_: Parameters) -> TaskRunner:
    """Test the numbers that a task carries."""

    def run(index: int, task_input: bytes | None) -> bytes:
        if task_input is None:
            raise ValueError(f"task {index} carries no numbers to test")
        return test_numbers(task_input)

    return run


PREPARERS = {
    "find": prepare_find,
    "count": prepare_count,
    "test": prepare_test,
    "tuplets": prepare_tuplets,
}
