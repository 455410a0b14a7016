"""Engines, an independent oracle, and a way to run a whole job in this process."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from headrace_services.primes import PRIMES
from headrace_services.primes.engine import find_primesieve
from headrace_services.primes.primesieve import load_primesieve
from headrace_services.primes.sieve import NumpySieve
from headrace_services.service import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from headrace_services.primes.engine import Engine
    from headrace_services.service import Gathered, Plan

#: Bases that make Miller-Rabin exact below 3.3e24 (Sorenson and Webster, 2015).
BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


def is_prime_slowly(number: int) -> bool:
    if number < 2:
        return False
    for base in BASES:
        if number % base == 0:
            return number == base
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in BASES:
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        if not any((power := power * power % number) == number - 1 for _ in range(twos - 1)):
            return False
    return True


@pytest.fixture(scope="session")
def oracle() -> Callable[[int], bool]:
    """Exact below 3.3e24, in plain Python, with nothing in common with what is tested."""
    return is_prime_slowly


@pytest.fixture(scope="session")
def primesieve() -> Engine:
    try:
        return load_primesieve()
    except OSError as error:
        pytest.skip(f"the primesieve library is needed: {error}")


@pytest.fixture(scope="session", params=["primesieve", "numpy"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "numpy":
        return NumpySieve()
    found: Engine = request.getfixturevalue("primesieve")
    return found


@pytest.fixture
def fresh_choice() -> Iterator[None]:
    """Let the engine be chosen anew in the test, and once more after it."""
    find_primesieve.cache_clear()
    yield
    find_primesieve.cache_clear()


def run_tasks(plan: Plan) -> list[tuple[int, bytes]]:
    runner = PRIMES.prepare(plan.operation, plan.parameters)
    inputs = [None] * plan.tasks if plan.inputs is None else list(plan.inputs)
    assert len(inputs) == plan.tasks
    return [(index, runner(index, task_input)) for index, task_input in enumerate(inputs)]


@pytest.fixture(scope="session")
def run() -> Callable[[Plan], list[tuple[int, bytes]]]:
    return run_tasks


@pytest.fixture(scope="session")
def gather() -> Callable[..., tuple[Gathered, bytes]]:
    """Run a plan and gather it; gives what was gathered and what went to the stream."""

    def gather_plan(
        plan: Plan, path: Path | None = None, word: str | None = None
    ) -> tuple[Gathered, bytes]:
        stream = io.BytesIO()
        target = Target(stream=stream, path=path, format=word)
        values = iter(run_tasks(plan))
        gathered = PRIMES.gather(plan.operation, plan.parameters, values, target)
        return gathered, stream.getvalue()

    return gather_plan
