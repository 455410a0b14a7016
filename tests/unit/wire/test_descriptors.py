"""Connections never take the descriptors that the store needs."""

from __future__ import annotations

import pytest

from headrace_wire.descriptors import OWN_DESCRIPTORS, share_descriptors

HTTP = 40


@pytest.mark.parametrize("descriptors", [128, 256, 1024, 4096, 1 << 16])
def test_all_connections_together_leave_some_for_others(descriptors: int) -> None:
    limits = share_descriptors(descriptors, HTTP)
    taken = limits.max_connections + limits.max_pending
    assert taken <= descriptors - OWN_DESCRIPTORS - HTTP
    assert limits.max_pending < limits.max_connections
    assert 0 < limits.worker_reserve < limits.max_connections / 2


def test_too_few_descriptors_are_told(caplog: pytest.LogCaptureFixture) -> None:
    limits = share_descriptors(64, HTTP)
    assert limits.max_connections >= 4
    assert "ulimit -n" in caplog.text
