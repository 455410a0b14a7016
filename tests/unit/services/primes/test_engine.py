from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.primes import PRIMES, sieve
from headrace_services.primes import engine as engine_module
from headrace_services.primes import primesieve as primesieve_module
from headrace_services.primes.engine import ENGINE_VARIABLE
from headrace_services.primes.sieve import NumpySieve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace_services.primes.engine import Engine

#: pi(10^k) for k from 1 (OEIS A006880).
PI = [4, 25, 168, 1229, 9592, 78498, 664579, 5761455, 50847534, 455052511]
#: Primes in the last 10^9 numbers below 10^11: pi(10^11) less pi(10^11 - 10^9) = 4078566781, which
#: Legendre's and Lucy's recurrence over the quotients of these numbers gives without a sieve.
LAST_BILLION_BELOW_1E11 = 39_488_032
#: Twin prime pairs below 10^k for k from 1 (OEIS A007508).
TWINS = [2, 8, 35, 205, 1224, 8169, 58980, 440312, 3424506]
#: The last primes below 2^64 (OEIS A013603 and its like), as distances from it.
BELOW_2_64 = [59, 83, 95, 179, 189, 257, 279, 323, 353, 363]

starts = st.one_of(
    st.integers(0, 2000),
    st.integers(0, 10**9),
    st.integers(10**12, 10**12 + 10**9),
    st.integers(10**15, 10**15 + 10**9),
    st.integers(0, 2**64 - 1),
    st.integers(2**64 - 10**6, 2**64 - 1),
)


@pytest.mark.parametrize("power", range(1, 10))
def test_primes_below_a_power_of_ten_are_as_many_as_known(engine: Engine, power: int) -> None:
    assert engine.count(0, 10**power) == PI[power - 1]


def test_primesieve_counts_primes_beyond_32_bits(primesieve: Engine) -> None:
    assert primesieve.count(0, 10**10) == PI[9]
    assert primesieve.count(10**11 - 10**9, 10**11) == LAST_BILLION_BELOW_1E11


@pytest.mark.parametrize("power", range(1, 9))
def test_twins_below_a_power_of_ten_are_as_many_as_known(engine: Engine, power: int) -> None:
    assert engine.count_tuplets(0, 10**power, 2) == TWINS[power - 1]


def test_primesieve_counts_the_known_twins_below_a_billion(primesieve: Engine) -> None:
    assert primesieve.count_tuplets(0, 10**9, 2) == TWINS[8]


@settings(max_examples=60, deadline=None)
@given(starts, st.integers(0, 300))
def test_numpy_finds_what_the_oracle_finds(
    oracle: Callable[[int], bool], start: int, length: int
) -> None:
    stop = min(start + length, 2**64)
    expected = [number for number in range(start, stop) if oracle(number)]
    assert NumpySieve().generate(start, stop).tolist() == expected
    assert NumpySieve().count(start, stop) == len(expected)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.integers(0, 2000), st.integers(0, 10**14)), st.integers(0, 300))
def test_primesieve_finds_what_the_oracle_finds(
    oracle: Callable[[int], bool], primesieve: Engine, start: int, length: int
) -> None:
    expected = [number for number in range(start, start + length) if oracle(number)]
    assert primesieve.generate(start, start + length).tolist() == expected
    assert primesieve.count(start, start + length) == len(expected)


@pytest.mark.parametrize(
    ("start", "length"),
    [
        (0, 5 * 10**6),
        (10**12 - 1, 10**7),
        (10**15, 10**6 + 1),
        (2**32 - 10**6, 2 * 10**6),
        (10**18, 10**5),
    ],
)
def test_both_engines_find_the_same_primes(primesieve: Engine, start: int, length: int) -> None:
    found = NumpySieve().generate(start, start + length)
    expected = primesieve.generate(start, start + length)
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize("size", range(2, 7))
@pytest.mark.parametrize("start", [0, 10**12])
def test_both_engines_count_the_same_tuplets(primesieve: Engine, start: int, size: int) -> None:
    stop = start + 5 * 10**6
    assert NumpySieve().count_tuplets(start, stop, size) == primesieve.count_tuplets(
        start, stop, size
    )


@pytest.mark.parametrize("size", range(2, 7))
def test_both_engines_agree_on_the_smallest_tuplets(primesieve: Engine, size: int) -> None:
    numpy_engine = NumpySieve()
    for start in range(12):
        for stop in range(start, 40):
            assert numpy_engine.count_tuplets(start, stop, size) == primesieve.count_tuplets(
                start, stop, size
            ), (start, stop)


def test_the_primes_just_under_2_64_are_found(engine: Engine) -> None:
    found = engine.generate(2**64 - 364, 2**64)
    assert [2**64 - prime for prime in reversed(found.tolist())] == BELOW_2_64
    assert engine.count(2**64 - 58, 2**64) == 0


def test_an_empty_range_has_no_primes(engine: Engine) -> None:
    for bound in (0, 2, 3, 10**9, 2**64):
        assert engine.count(bound, bound) == 0
        assert engine.count_tuplets(bound, bound, 3) == 0
        assert len(engine.generate(bound, bound)) == 0


@pytest.fixture
def short_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short blocks and parts, and nothing kept that was made for others."""
    kept = (sieve._find_base, sieve._make_pattern)
    for made in kept:
        made.cache_clear()
    monkeypatch.setattr(sieve, "_PART_ODDS", 64)
    monkeypatch.setattr(sieve, "BLOCK_ODDS", 160)
    monkeypatch.setattr(sieve, "_SLICED_BELOW", 20)
    monkeypatch.setattr(sieve, "_BATCH", 256)
    yield
    for made in kept:
        made.cache_clear()


@pytest.mark.usefixtures("short_parts")
def test_primes_are_missed_nowhere_where_blocks_and_parts_meet(
    oracle: Callable[[int], bool],
) -> None:
    """Short blocks and parts bring many borders, and primes that strike nothing in a part."""
    expected = [number for number in range(3000) if oracle(number)]
    assert NumpySieve().generate(0, 3000).tolist() == expected
    assert NumpySieve().count_tuplets(0, 3000, 5) == 7


def test_sieving_all_the_way_and_testing_what_is_left_agree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deep = NumpySieve().generate(10**13, 10**13 + 10**5)
    monkeypatch.setattr(sieve, "_LEAST_DEPTH", 2**22)
    full = NumpySieve().generate(10**13, 10**13 + 10**5)
    assert full.tolist() == deep.tolist()


@pytest.mark.usefixtures("fresh_choice")
def test_the_environment_forces_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE_VARIABLE, "numpy")
    assert PRIMES.engine().startswith("NumPy sieve ")


@pytest.mark.usefixtures("fresh_choice")
def test_primesieve_is_preferred(primesieve: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(engine_module.choose_engine()) is type(primesieve)
    monkeypatch.delenv(ENGINE_VARIABLE, raising=False)
    assert PRIMES.engine().startswith("primesieve ")


@pytest.mark.usefixtures("fresh_choice")
def test_an_unknown_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE_VARIABLE, "abacus")
    with pytest.raises(ValueError, match="HEADRACE_PRIMES_ENGINE=abacus is unknown"):
        PRIMES.engine()


@pytest.mark.usefixtures("fresh_choice")
def test_without_the_library_numpy_works_unless_primesieve_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(primesieve_module, "_name_candidates", lambda: iter(["libabsent.so.1"]))
    monkeypatch.delenv(ENGINE_VARIABLE, raising=False)
    assert isinstance(engine_module.choose_engine(), NumpySieve)
    assert PRIMES.engine().startswith("NumPy sieve ")
    engine_module.find_primesieve.cache_clear()
    monkeypatch.setenv(ENGINE_VARIABLE, "primesieve")
    with pytest.raises(OSError, match=r"libprimesieve\.so.* install libprimesieve, or unset it"):
        PRIMES.engine()


def test_a_library_that_fails_is_an_error_and_no_count(primesieve: Engine) -> None:
    with pytest.raises(MemoryError, match="could not count from 5 to 9"):
        primesieve_module._count(lambda _low, _high: primesieve_module.PRIMESIEVE_ERROR, 5, 9)


def test_an_array_outlives_the_call_that_made_it(primesieve: Engine) -> None:
    tail = primesieve.generate(0, 10**6)[-3:]
    for _ in range(20):
        primesieve.generate(0, 10**6)
    assert tail.tolist() == [999961, 999979, 999983]
