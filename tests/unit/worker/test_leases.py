from __future__ import annotations

import pytest

from headrace_wire.batch import pack_batch
from headrace_wire.encoding import pack
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.leases import Lease
from headrace_worker.data import DataStore
from headrace_worker.holdings import Holdings
from headrace_worker.leases import MOST_REFUSED, make_batch, refuse_lease

PARAMETERS = pack({})

STORE = DataStore()


def make_lease(
    *inputs: bytes, start: int = 10, stop: int = 14, timeout_seconds: float | None = None
) -> Lease:
    return Lease(1, "job", "calls", "map", None, start, stop, 2, timeout_seconds, inputs)


def refuse(lease: Lease) -> list[TaskFailure]:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is looked at by each test
        make_batch(lease, PARAMETERS, STORE)
    return refuse_lease(lease, caught.value)


def list_failed(events: list[TaskFailure]) -> list[int]:
    return [event.index for event in events]


def test_inputs_come_in_several_batches() -> None:
    batch = make_batch(
        make_lease(pack_batch([b"a"]), pack_batch([b"b", b"c", b"d"])), PARAMETERS, DataStore()
    )
    assert batch.inputs == (b"a", b"b", b"c", b"d")


@pytest.mark.parametrize(
    "damaged",
    [pack([1, "a"]), pack_batch([b"b", b"c"])[:-1], b"\x92", b"", b"\xc1", b"\x81\x90\x01"],
)
def test_what_is_no_batch_fails_every_task(damaged: bytes) -> None:
    events = refuse(make_lease(pack_batch([b"a"]), damaged, pack_batch([b"d"])))
    assert list_failed(events) == [10, 11, 12, 13]
    assert all("could not take it up" in event.message for event in events)


@pytest.mark.parametrize("inputs", [[b"a"], [b"a"] * 5])
def test_a_wrong_number_of_inputs_fails_every_task(inputs: list[bytes]) -> None:
    events = refuse(make_lease(pack_batch(inputs)))
    assert list_failed(events) == [10, 11, 12, 13]


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), -float("inf")])
def test_a_time_limit_that_is_none_fails_every_task(seconds: float) -> None:
    events = refuse(make_lease(timeout_seconds=seconds))
    assert list_failed(events) == [10, 11, 12, 13]


def test_a_lease_without_the_parameters_of_its_job_fails_every_task() -> None:
    lease = make_lease()
    with pytest.raises(ValueError, match="without the parameters") as caught:
        Holdings().find_parameters(lease.job)
    assert list_failed(refuse_lease(lease, caught.value)) == [10, 11, 12, 13]


@pytest.mark.parametrize(("start", "stop"), [(5, 5), (9, 3), (-3, 2), (0, MOST_REFUSED + 1)])
def test_of_a_lease_without_tasks_or_with_far_too_many_nothing_is_told(
    start: int, stop: int
) -> None:
    lease = make_lease(start=start, stop=stop)
    assert refuse_lease(lease, ValueError("no")) == []
