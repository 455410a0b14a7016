from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.primes import plan_count, plan_find, plan_test, plan_tuplets
from headrace_services.primes.partition import Partition
from headrace_wire.encoding import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace_services.service import Plan

bounds = st.integers(0, 2**64)


@settings(deadline=None)
@given(st.tuples(bounds, bounds).map(sorted), st.integers(1, 2**64))
def test_tasks_cover_a_range_without_gap_or_overlap(pair: list[int], span: int) -> None:
    start, stop = pair
    partition = Partition(start, stop, span)
    if partition.tasks == 0:
        assert start == stop
        return
    for index in {0, partition.tasks // 2, partition.tasks - 1}:
        low, high = partition.locate(index)
        assert start <= low < high <= stop
        if index + 1 < partition.tasks:
            assert partition.locate(index + 1)[0] == high
    assert partition.locate(0)[0] == start
    assert partition.locate(partition.tasks - 1)[1] == stop


@settings(deadline=None)
@given(st.tuples(bounds, bounds).map(sorted))
def test_parameters_carry_a_range_to_the_very_end(pair: list[int]) -> None:
    plan = plan_count(*pair)
    partition = Partition.from_parameters(plan.parameters)
    assert (partition.start, partition.stop) == tuple(pair)
    assert partition.tasks == plan.tasks
    for value in plan.parameters.values():
        assert isinstance(value, str) or (isinstance(value, int) and value < 2**64)


def plan_twins(start: int, stop: int) -> Plan:
    return plan_tuplets(start, stop, 2)


@pytest.mark.parametrize("plan", [plan_count, plan_find, plan_twins])
@pytest.mark.parametrize(
    ("start", "stop", "reason"),
    [
        (10, 5, "the range from 10 to 5 is reversed: give the smaller first"),
        (-3, 5, "-3 is negative: a range starts at 0 or above"),
        (0, 2**64 + 1, "18446744073709551617 is beyond 2^64: a range ends at"),
        (10**50, 10**51, "10000000000000000000... (51 digits) is beyond 2^64"),
    ],
)
def test_an_impossible_range_is_refused_in_one_line_that_names_it(
    plan: Callable[[int, int], Plan], start: int, stop: int, reason: str
) -> None:
    with pytest.raises(ValueError, match=r"reversed|negative|beyond") as caught:
        plan(start, stop)
    assert str(caught.value).startswith(reason)


def test_an_impossible_span_is_refused() -> None:
    for span in (0, -3):
        with pytest.raises(ValueError, match=f"a span of {span} is impossible: .* at least 1 num"):
            plan_count(0, 10, span=span)
    with pytest.raises(ValueError, match=r"a span of 1 makes 18,446,744,073,709,551,616 tasks"):
        plan_count(0, 2**64, span=1)
    with pytest.raises(ValueError, match="has too many primes for one task"):
        plan_find(0, 10**10, span=10**9)


def test_an_unknown_tuplet_size_is_refused() -> None:
    with pytest.raises(ValueError, match="a tuplet size of 7 is not known"):
        plan_tuplets(0, 10, 7)


def test_an_empty_range_has_no_tasks() -> None:
    assert plan_count(5, 5).tasks == 0
    assert plan_find(2**64, 2**64).tasks == 0
    assert plan_test([]).tasks == 0


def test_a_job_of_a_billion_tasks_is_planned_as_one_row() -> None:
    plan = plan_count(0, 10**18, span=10**9)
    assert plan.tasks == 10**9
    assert plan.inputs is None
    assert plan.parameters == {"start": "0", "stop": str(10**18), "span": 10**9}


@pytest.mark.parametrize("stop", [10**9, 10**10, 10**12, 10**15, 2**64])
def test_many_slots_share_a_long_range_and_its_tasks_outweigh_their_start_up(stop: int) -> None:
    plan = plan_count(0, stop)
    span = int(str(plan.parameters["span"]))
    assert plan.tasks >= 50
    assert span >= stop**0.5 / 4.1


@pytest.mark.parametrize("plan", [plan_count, plan_find, plan_twins])
@pytest.mark.parametrize("slots", [1, 2, 64, 5000])
@pytest.mark.parametrize(("start", "stop"), [(0, 10**10), (10**15, 10**15 + 10**10)])
def test_a_job_is_cut_for_the_slots_there_are(
    plan: Callable[[int, int], Plan], slots: int, start: int, stop: int
) -> None:
    planned = plan(start, stop)
    assert planned.cut is not None
    cut = planned.cut(slots)
    span = int(str(cut.parameters["span"]))
    assert Partition.from_parameters(cut.parameters) == Partition(start, stop, span)
    assert cut.tasks >= min(4 * slots, 50)
    # However many slots there are, a task works for longer than it starts up.
    assert span >= 2 * stop**0.5
    assert {**cut.parameters, "span": 0} == {**planned.parameters, "span": 0}


def test_few_slots_have_few_tasks_to_start_up_for() -> None:
    planned = plan_count(10**15, 10**15 + 10**10)
    assert planned.cut is not None
    assert planned.cut(2).tasks < 10


def test_a_span_that_was_asked_for_stays_whatever_slots_there_are() -> None:
    for planned in (plan_count(0, 10**10, 10**8), plan_find(0, 10**10, 10**8)):
        assert planned.cut is not None
        assert planned.cut(2).tasks == planned.tasks == 100


@settings(deadline=None)
@given(st.tuples(bounds, bounds).map(sorted))
def test_a_finding_task_never_has_more_primes_than_a_value_holds(pair: list[int]) -> None:
    # Montgomery and Vaughan 1973: at most 2y/ln(y) primes lie in any interval of y numbers; the
    # planner counts on the true density, which is at most pi(208,000,000) = 11,473,264 near 0.
    span = int(str(plan_find(*pair).parameters["span"]))
    assert 1 <= span <= 208_500_000 or pair[0] > 10**8
    assert span <= 5 * 10**8


def test_a_number_that_cannot_be_tested_is_refused() -> None:
    with pytest.raises(ValueError, match="-7 is negative: only 0 and above can be tested"):
        plan_test([5, -7])
    with pytest.raises(ValueError, match=r"1,204,121 digits\) is too large to be tested"):
        plan_test([1 << 4_000_002])


def test_planning_imports_neither_numpy_nor_gmpy2() -> None:
    """The command line plans before it knows that any work is to be done here."""
    program = (
        "import sys; from headrace_services.primes import PRIMES, plan_count, parse_number; "
        "plan_count(0, 10**9); "
        "print({'numpy', 'gmpy2', 'msgpack', 'ctypes.util'} & set(sys.modules))"
    )
    assert run_python(program) == "set()"


def test_adding_up_counts_imports_neither_numpy_nor_gmpy2() -> None:
    """The command line waits for counts on the machine that may be counting."""
    program = (
        "import sys; from headrace_services.primes import PRIMES, plan_count; "
        "from headrace_services.service import Target; "
        "counts = iter([(0, b'4')]); "
        "parameters = plan_count(0, 10).parameters; "
        "print(PRIMES.gather('count', parameters, counts, Target(sys.stdout.buffer)).result); "
        "print({'numpy', 'gmpy2'} & set(sys.modules))"
    )
    assert run_python(program) == "4\nset()"


def run_python(program: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return shown.stdout.strip()


@pytest.mark.parametrize("span", [2**63, 2**64, 10**30])
def test_a_span_beyond_all_numbers_is_one_task_and_crosses_the_wire(span: int) -> None:
    plan = plan_count(0, 100, span)
    assert plan.tasks == 1
    sent = unpack(pack(dict(plan.parameters)))
    assert Partition.from_parameters(sent).locate(0) == (0, 100)
