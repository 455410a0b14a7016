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
