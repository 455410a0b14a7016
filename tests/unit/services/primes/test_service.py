from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace_services.primes import PRIMES, plan_count, plan_test, plan_tuplets

if TYPE_CHECKING:
    from headrace_services.service import Service


def test_it_is_a_service() -> None:
    service: Service = PRIMES
    assert service.name == "primes"
    assert service.operations == ("find", "count", "test", "tuplets")


def test_only_primes_and_verdicts_are_gathered_in_order() -> None:
    ordered = [operation for operation in PRIMES.operations if PRIMES.is_ordered(operation)]
    assert ordered == ["find", "test"]


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(ValueError, match="primes cannot 'guess': it can find, count"):
        PRIMES.prepare("guess", {})


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("count", {"start": "0", "stop": "9"}),
        ("count", {"start": "9", "stop": "0", "span": 1}),
        ("count", {"start": "0", "stop": "9", "span": 0}),
        ("find", {"start": "0", "stop": str(2**64 + 1), "span": 10**9}),
        ("find", {"start": "x", "stop": "9", "span": 1}),
        ("tuplets", {"start": "0", "stop": "9", "span": 1}),
        ("tuplets", {"start": "0", "stop": "9", "span": 1, "size": 9}),
    ],
)
def test_wrong_parameters_are_refused(operation: str, parameters: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        PRIMES.prepare(operation, parameters)


@pytest.mark.parametrize("index", [-1, 10])
def test_a_task_that_the_job_does_not_have_is_refused(index: int) -> None:
    run = PRIMES.prepare("count", plan_count(0, 100, span=10).parameters)
    with pytest.raises(ValueError, match=f"there is no task {index} in a job of 10 tasks"):
        run(index, None)


def test_a_test_without_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="task 3 carries no numbers"):
        PRIMES.prepare("test", {"numbers": 1})(3, None)


def test_a_task_is_named_by_its_range() -> None:
    parameters = plan_count(0, 95, span=10).parameters
    assert PRIMES.describe("count", parameters, 9, None) == "count from 90 to 95"
    parameters = plan_tuplets(0, 95, 3, span=10).parameters
    assert PRIMES.describe("tuplets", parameters, 0, None) == "tuplets from 0 to 10"


def test_a_test_is_named_by_its_first_number() -> None:
    plan = plan_test([10**5000, 7])
    assert plan.inputs is not None
    name = PRIMES.describe("test", plan.parameters, 0, next(iter(plan.inputs)))
    assert name.startswith("test task 0: 10000000000000000000... (5,001 digits)")


@pytest.mark.parametrize("task_input", [None, b"", b"\xc1", b"\x01", b"\x91\x01"])
def test_a_name_is_found_for_any_task_that_went_wrong(task_input: bytes | None) -> None:
    assert PRIMES.describe("test", {}, 4, task_input) == "test task 4"
    assert PRIMES.describe("count", {}, 4, task_input) == "count task 4"
