from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_services.permits import Permits
from headrace_wire.encoding import pack
from headrace_worker.link.runners import KEPT_JOBS, JobRunner, KeptJobs
from support.pool_probe_service import ProbeService, load_probe

if TYPE_CHECKING:
    from headrace_services.service import Parameters


def test_the_job_that_was_used_longest_ago_is_forgotten() -> None:
    jobs: KeptJobs[int] = KeptJobs(2)
    jobs.keep("a", 1)
    jobs.keep("b", 2)
    assert jobs.touch("a") == 1
    jobs.keep("c", 3)
    assert (jobs.touch("a"), jobs.touch("b"), jobs.touch("c")) == (1, None, 3)


@given(st.lists(st.integers(0, KEPT_JOBS * 2), max_size=200))
def test_the_pool_knows_what_a_slot_knows(order: list[int]) -> None:
    """The pool sends what it believes to be missing; the slot never misses anything."""
    pool_side: KeptJobs[bool] = KeptJobs()
    slot_side: KeptJobs[bool] = KeptJobs()
    for number in order:
        job = str(number)
        known = pool_side.touch(job) is not None
        if not known:
            pool_side.keep(job, True)
        assert (slot_side.touch(job) is not None) == known
        if not known:
            slot_side.keep(job, True)


@pytest.mark.parametrize("packed", [b"", b"\xc1", b"\x01", b"\x91" * 2000 + b"\xc0", b"\x81\xa1a"])
def test_parameters_that_are_no_map_are_said_to_be_so(packed: bytes) -> None:
    job = JobRunner("probe", "act", packed)
    with pytest.raises(ValueError, match="the job's parameters"):
        job.prepare(load_probe, Permits())


def test_a_service_that_prepares_nothing_is_an_error() -> None:
    class Idle(ProbeService):
        def prepare(self, operation: str, parameters: Parameters) -> Any:
            del operation, parameters

    job = JobRunner("probe", "act", pack({}))
    with pytest.raises(TypeError, match="NoneType"):
        job.prepare(lambda _: Idle(), Permits())
