"""What runs the tasks of joblib's backend."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from headrace_wire.errors import UsageError

pytest.importorskip("joblib")


@pytest.mark.parametrize(
    ("coordinator", "engine", "why"),
    [("127.0.0.1:1", "dask", "its workers decide"), (None, "abacus", "is no engine")],
)
def test_an_engine_that_cannot_be_is_refused(
    coordinator: str | None, engine: str, why: str
) -> None:
    joblib: Any = importlib.import_module("headrace.joblib")
    backend = joblib.HeadraceBackend(coordinator, engine=engine)
    with pytest.raises(UsageError, match=why):
        backend.start_call()


@pytest.mark.parametrize(
    ("coordinator", "kind", "why"),
    [
        (3, TypeError, "coordinator must be text, such as 'host:7333', or a tuple of host and"),
        (("host", True), TypeError, "the port of an address must be a whole number, not True"),
        ((["host"], 7333), TypeError, "the host of an address must be text, not list"),
        (("host", 0), ValueError, "the port of an address must be a number from 1 to 65535"),
    ],
)
def test_an_address_of_another_type_is_refused_by_its_name(
    coordinator: Any, kind: type[Exception], why: str
) -> None:
    joblib: Any = importlib.import_module("headrace.joblib")
    with pytest.raises(kind, match=why):
        joblib.HeadraceBackend(coordinator)
    with pytest.raises(kind, match=why):
        joblib.HeadraceBackend().configure(coordinator=coordinator)
