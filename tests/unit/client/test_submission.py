"""What a job is described with, its options, and what is advised where nobody can run it."""

from __future__ import annotations

import pytest

from headrace.submission import (
    HeldNotice,
    SubmitOptions,
    advise_on_service,
    make_job_spec,
    wait_for_room,
)
from headrace_services.calls import CallOptions, plan_apply
from headrace_services.calls.plan import Function
from headrace_wire.errors import ServiceMissingError, SpoolFullError, UsageError

NOBODY = "no connected worker offers the service 'calls': start a worker that has it"


@pytest.mark.parametrize(
    ("function", "options", "advised"),
    [
        ("shop:double", CallOptions(), "--allow shop"),
        ("shop.prices:double", CallOptions(), "--allow shop.prices"),
        ("shop:double", CallOptions(ship=b"packed"), "--allow-ship"),
        (len, CallOptions("cloudpickle"), "--allow-pickle"),
        (len, CallOptions("cloudpickle", ship=b"packed"), "--allow-ship --allow-pickle"),
    ],
)
def test_the_option_that_helps_is_advised(
    function: Function, options: CallOptions, advised: str
) -> None:
    plan = plan_apply(function, (), None, options)
    spec = make_job_spec("calls", plan.operation, plan.parameters, None, tasks=None, carried=True)
    error = advise_on_service(ServiceMissingError(NOBODY), spec)
    assert error.message == f"{NOBODY}, such as `headrace worker {advised}`"


@pytest.mark.parametrize(
    ("value", "why"),
    [(1 << 64, "a number of more than 64 bits"), (object(), "object does not cross")],
)
def test_parameters_that_cannot_be_sent_are_an_error_of_usage(value: object, why: str) -> None:
    with pytest.raises(UsageError, match=f"the job's parameters cannot be sent: {why}"):
        make_job_spec("primes", "count", {"span": value}, None, tasks=1, carried=False)


def test_a_stream_of_calls_does_not_know_its_functions_yet() -> None:
    spec = make_job_spec("calls", "call", CallOptions().parameters, None, tasks=None, carried=True)
    assert "--allow MODULE" in advise_on_service(ServiceMissingError(NOBODY), spec).message


def test_nothing_is_advised_for_another_service() -> None:
    spec = make_job_spec("primes", "count", {}, None, tasks=1, carried=False)
    error = ServiceMissingError(NOBODY)
    assert advise_on_service(error, spec) is error


@pytest.mark.parametrize(
    "options",
    [{"priority": 101}, {"retries": -1}, {"retries": 1001}, {"timeout_seconds": 0},
     {"timeout_seconds": float("nan")}, {"timeout_seconds": -1}, {"timeout_seconds": float("inf")},
     {"deadline_seconds": 0}, {"deadline_seconds": float("nan")}, {"deadline_seconds": 10**400},
     {"retry_delay_seconds": -0.1}, {"retry_delay_seconds": float("nan")}, {"name": "x" * 201},
     {"name": "two\nlines"}],
)  # fmt: skip
def test_submit_options_out_of_range_are_value_errors(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(options))} must be"):
        SubmitOptions(**options)  # type: ignore[arg-type] # a user's mistakes


@pytest.mark.parametrize(
    "options",
    [{"priority": 1.5}, {"priority": True}, {"priority": None}, {"retries": "3"}, {"name": 5},
     {"timeout_seconds": "5"}, {"deadline_seconds": [1]}, {"retry_delay_seconds": None}],
)  # fmt: skip
def test_submit_options_of_other_types_are_type_errors(options: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=f"^{next(iter(options))} must be"):
        SubmitOptions(**options)  # type: ignore[arg-type] # a user's mistakes


def test_a_wait_for_room_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    left = [SpoolFullError("there is no room (2)"), SpoolFullError("there is no room (1)")]

    def call() -> str:
        if left:
            raise left.pop(0)
        return "there is room"

    assert wait_for_room(call, HeldNotice()) == "there is room"
    assert caplog.messages == ["headrace: waiting to submit: there is no room (2)"]
