"""What is pickled is opened where both sides said so, and nowhere else."""

from __future__ import annotations

import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from headrace.async_shared.sealing import open_sealed
from headrace.calls import open_failure, open_outcomes
from headrace.submission import make_job_spec
from headrace_services.calls import CallOptions, open_result
from headrace_services.calls.service import CallsService
from headrace_services.permits import Permits, RefusedError
from headrace_services.registry import find_engines
from headrace_wire.encoding import pack
from headrace_wire.messages.failures import ERROR, TaskFailure
from headrace_wire.messages.workers import PICKLED_CALLS


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __reduce__(self) -> Any:
        return Path.touch, (self._place,)


def test_a_client_that_asked_for_plain_data_unpickles_nothing(tmp_path: Path) -> None:
    evil = pickle.dumps(Evil(tmp_path / "ran"))
    for frame in (evil, pack(evil), pack([evil, b""]), pack([evil, evil])):
        for read in (open_sealed, lambda one: open_result("msgpack", one)):
            with suppress(ValueError):
                assert read(frame) in (evil, [evil, b""], [evil, evil])
        ((fine, outcome),) = open_outcomes("msgpack", [frame], 0, "f")
        assert not fine or outcome in (evil, [evil, b""], [evil, evil])
        open_failure(TaskFailure(1, "job", 0, 1, ERROR, detail=frame), "msgpack")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("permits", [Permits(("math",)), Permits(ship=True), Permits(("*",))])
@pytest.mark.parametrize("operation", ["map", "call", "starmap"])
def test_a_worker_that_opens_no_pickles_unpickles_nothing(
    permits: Permits, operation: str, tmp_path: Path
) -> None:
    evil = pickle.dumps(Evil(tmp_path / "ran"))
    calls = CallsService()
    calls.permit(permits)
    parameters = {"function": evil, "initializer": evil, "initargs": evil, "main": {"path": evil}}
    with pytest.raises(RefusedError, match="--allow-pickle"):
        calls.prepare(operation, {**parameters, "serializer": "cloudpickle"})
    with pytest.raises((ValueError, TypeError)):
        calls.prepare(operation, {**parameters, "serializer": "msgpack"})(0, evil)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("pickles", "needs"), [(True, PICKLED_CALLS), (False, "")])
def test_a_client_that_unpickles_wants_values_of_workers_that_say_so(
    *, pickles: bool, needs: str
) -> None:
    options = CallOptions("cloudpickle" if pickles else "msgpack")
    spec = make_job_spec("calls", "call", options.parameters, None, tasks=None, carried=True)
    assert spec.needs == needs
    assert (PICKLED_CALLS in find_engines(Permits(("math",), pickle=pickles))) is pickles
