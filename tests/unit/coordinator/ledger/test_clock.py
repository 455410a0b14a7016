"""The coordinator's own time."""

from __future__ import annotations

import time

import pytest

from headrace_coordinator.ledger.clock import STANDSTILL_COUNTS_SECONDS, Clock


def test_time_passes_while_somebody_looks_and_hardly_while_all_stood_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moment = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    clock = Clock(50.0)
    assert clock.read() == 50.0
    for _ in range(10):
        moment += 1.0
        clock.read()
    assert clock.read() == 60.0
    moment += 3600.0
    assert clock.read() == 60.0 + STANDSTILL_COUNTS_SECONDS
    moment += 0.5
    assert clock.read() == 60.5 + STANDSTILL_COUNTS_SECONDS
