"""Numbers to be tested, as tasks carry them, and what a task says about them.

A task's input is a msgpack list of numbers, each in as few big-endian bytes as hold it (none for
0). Its value is a msgpack list of that same list and a bytes with 1 for each prime and 0 for each
other number: the numbers travel back, for the input is gone by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgpack

from headrace_services.primes.primality import ROUNDS, is_prime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Tasks that numbers are dealt into where they do not become too small: four for each of 64 slots.
_WANTED_TASKS = 256
#: Seconds a task takes, about, at least and at most; a number that takes longer is alone.
_LEAST_SECONDS, _MOST_SECONDS = 0.005, 0.1
#: Bytes of numbers in one task, at most; a number that has more is alone.
_MOST_BYTES = 2**20
#: Seconds for one Miller-Rabin round of 4,423 bits, measured, and how they grow with the bits.
_ROUND_SECONDS, _ROUND_BITS, _GROWTH = 0.02, 4423, 2.4
#: Seconds for a number of few bits, as most are.
_SMALL_SECONDS = 5e-6


def deal_numbers(numbers: Sequence[int]) -> list[range]:
    """Deal numbers into tasks, by how long each may take; gives the positions of each task's."""
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
    """Test the numbers of an input; gives the task's value."""
    numbers = cast("list[bytes]", _unpack(task_input))
    verdicts = bytes(is_prime(int.from_bytes(number, "big")) for number in numbers)
    return _pack([numbers, verdicts])


def decode_numbers(task_input: bytes) -> list[int]:
    """Decode a task's input."""
    return [int.from_bytes(number, "big") for number in cast("list[bytes]", _unpack(task_input))]


def decode_verdicts(value: bytes) -> Iterator[tuple[int, bool]]:
    """Decode a task's value: each number, and whether it is prime, in the order they were given."""
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
    # msgpack has no stubs.
    return cast("bytes", msgpack.packb(value))  # pyright: ignore[reportUnknownMemberType]


def _unpack(data: bytes) -> object:
    # msgpack has no stubs.
    return cast("object", msgpack.unpackb(data))  # pyright: ignore[reportUnknownMemberType]
