"""What the programs let others do: functions that workers find by name."""

from __future__ import annotations

import math
import time

#: What ``remember`` was told in this process.
_remembered: list[str] = []


def square(x: int) -> int:
    return x * x


def invert(x: float) -> float:
    return 1.0 / (x - 5.0)


def remember(word: str, *, number: int = 0) -> None:
    _remembered.append(f"{word}{number or ''}")


def recall(x: int) -> tuple[int, list[str]]:
    return x, list(_remembered)


def is_prime(n: int) -> bool:
    if n < 2:
        return False
    if n == 2:
        return True
    if n % 2 == 0:
        return False
    sqrt_n = math.isqrt(n)
    return all(n % i for i in range(3, sqrt_n + 1, 2))


def doze(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


class TooDeepError(Exception):
    """An exception with arguments of its own."""


def dig(depth: int) -> int:
    if depth > 3:
        try:
            return 1 // (depth - depth)
        except ZeroDivisionError as error:
            raise TooDeepError("too deep", depth) from error
    return depth
