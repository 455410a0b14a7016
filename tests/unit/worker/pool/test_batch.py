from __future__ import annotations

import pytest

from headrace_worker.link.loader import resolve_loader
from headrace_worker.pool.batch import Batch


def make(**changes: object) -> Batch:
    fields: dict[str, object] = {
        "key": 1,
        "job": "job",
        "service": "probe",
        "operation": "noop",
        "parameters": b"\x80",
        "start": 5,
        "stop": 7,
    }
    return Batch(**{**fields, **changes})  # type: ignore[arg-type]


def test_an_input_is_found_by_its_index_in_the_job() -> None:
    assert make(inputs=(b"five", b"six")).input_of(6) == b"six"
    assert make().input_of(6) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stop": 5}, "no tasks"),
        ({"start": -1}, "no tasks"),
        ({"inputs": (b"",)}, "2 tasks and 1 inputs"),
        ({"timeout_seconds": 0.0}, "above 0"),
        ({"timeout_seconds": float("nan")}, "above 0"),
    ],
)
def test_a_batch_that_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**changes)


@pytest.mark.parametrize("dotted", ["", "module", ":function", "module:"])
def test_a_loader_that_is_not_dotted_is_refused(dotted: str) -> None:
    with pytest.raises(ValueError, match="module:function"):
        resolve_loader(dotted)
