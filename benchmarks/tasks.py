"""What the systems are given to do. Plain functions that every worker can import."""

from __future__ import annotations

import time

#: Where the sieve begins.
SIEVE_START = 100_000_000

#: Numbers in the smallest and in the largest task of the sieve: 1 to 5 ms of pure Python.
SIEVE_WIDTHS = (120_000, 900_000)

_small_primes: list[int] = []


def noop(value: object) -> object:
    """Nothing at all: what is measured is the way there and back."""
    return value


def nap(seconds: float) -> tuple[float, float]:
    """Sleep, and return from when to when that was, by this machine's monotonic clock."""
    begun = time.monotonic()
    time.sleep(seconds)
    return begun, time.monotonic()


def echo(payload: bytes) -> bytes:
    """As many bytes back as came."""
    return payload


def weigh(payload: bytes) -> int:
    """Return how many bytes came."""
    return len(payload)


def make_payload(size: int) -> bytes:
    """Return so many bytes."""
    return bytes(size)


def sieve(index: int) -> int:
    """Count the primes of one segment, as the sieve of Eratosthenes does; the widths differ."""
    least, most = SIEVE_WIDTHS
    start = SIEVE_START + index * most
    width = least + index * 7919 % (most - least)
    flags = bytearray(b"\x01") * width
    for prime in _find_small_primes():
        first = (-start) % prime
        flags[first::prime] = bytes(len(range(first, width, prime)))
    return flags.count(1)


def _find_small_primes() -> list[int]:
    """All primes up to the root of the largest number that is sieved."""
    if not _small_primes:
        top = 22_000
        flags = bytearray(b"\x01") * top
        for number in range(2, top):
            if flags[number]:
                _small_primes.append(number)
                flags[number * number :: number] = bytes(len(range(number * number, top, number)))
    return _small_primes
