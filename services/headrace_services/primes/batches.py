"""Numbers to be tested, as tasks carry them, and the results of the tests.

A task's input is a msgpack list of numbers, each as the shortest possible big-endian bytes (empty
for 0). Its value is a msgpack list of that same list and of bytes, with a 1 for each prime and a 0
for each other number. The numbers are sent back because the input has been deleted by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgpack

from headrace_services.primes.primality import ROUNDS, is_prime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: How many tasks are made unless they become too small: four for each of 64 slots.
_WANTED_TASKS = 256
#: How many seconds a task takes, at least and at most, approximately. A slower number is alone.
_LEAST_SECONDS, _MOST_SECONDS = 0.005, 0.1
#: The maximum size of a task's numbers in bytes. A number with more bytes is alone.
_MOST_BYTES = 2**20
#: How many seconds a Miller-Rabin round with 4,423 bits takes (measured), and the exponent with
#: which this grows with the number of bits.
_ROUND_SECONDS, _ROUND_BITS, _GROWTH = 0.02, 4423, 2.4
#: How many seconds a small number takes. Most numbers are small.
_SMALL_SECONDS = 5e-6


def deal_numbers(numbers: Sequence[int]) -> list[range]:
    """Divide numbers into tasks by estimated time. Returns the positions of each one's numbers."""
    costs = [_estimate_seconds(number) for number in numbers]
    budget = min(max(sum(costs) / _WANTED_TASKS, _LEAST_SECONDS), _MOST_SECONDS)
    dealt: list[range] = []
    first, seconds, size = 0, 0.0, 0
    for position, (number, cost) in enumerate(zip(numbers, costs, strict=True)):
        length = _measure_bytes(number)
        if position > first and (seconds + cost > budget or size + length > _MOST_BYTES):
            dealt.append(range(first, position))
            first, seconds, size = position, 0.0, 0
        seconds += cost
        size += length
    if first < len(numbers):
        dealt.append(range(first, len(numbers)))
    return dealt


def encode_numbers(numbers: Sequence[int]) -> bytes:
    """Encode a task's input."""
    return _pack([number.to_bytes(_measure_bytes(number), "big") for number in numbers])


def test_numbers(task_input: bytes) -> bytes:
    """Test the numbers of an input, and return the task's value."""
    numbers = cast("list[bytes]", _unpack(task_input))
    verdicts = bytes(is_prime(int.from_bytes(number, "big")) for number in numbers)
    return _pack([numbers, verdicts])


def decode_numbers(task_input: bytes) -> list[int]:
    """Decode a task's input."""
    return [int.from_bytes(number, "big") for number in cast("list[bytes]", _unpack(task_input))]


def decode_verdicts(value: bytes) -> Iterator[tuple[int, bool]]:
    """Decode a task's value: yield each number and whether it is prime, in the input's order."""
    numbers, verdicts = cast("tuple[list[bytes], bytes]", _unpack(value))
    for number, verdict in zip(numbers, verdicts, strict=True):
        yield int.from_bytes(number, "big"), bool(verdict)


def _estimate_seconds(number: int) -> float:
    rounds = ROUNDS + 4
    grown = (number.bit_length() / _ROUND_BITS) ** _GROWTH
    return float(_SMALL_SECONDS + rounds * _ROUND_SECONDS * grown)


def _measure_bytes(number: int) -> int:
    return (number.bit_length() + 7) // 8


def _pack(value: object) -> bytes:
    # msgpack has no type stubs.
    return cast("bytes", msgpack.packb(value))  # pyright: ignore[reportUnknownMemberType]


def _unpack(data: bytes) -> object:
    # msgpack has no type stubs.
    return cast("object", msgpack.unpackb(data))  # pyright: ignore[reportUnknownMemberType]
