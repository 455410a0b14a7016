"""Clusters whose sessions hold what is shared, wait for it, and fall silent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headrace.cluster import Cluster
from headrace_wire.errors import UnreachableError

#: Seconds after which a silent holder loses what it has.
LEASE_SECONDS = 1.0

#: Seconds for what must come.
PATIENCE_SECONDS = 20.0

#: Opens a cluster of its own, as another process would.
Open = Callable[[], Cluster]


def fall_silent(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no heartbeat of a cluster's session out any more."""

    def be_silent() -> float:
        raise UnreachableError

    monkeypatch.setattr(cluster._open_shared(), "_beat", be_silent)


def count_waiting(cluster: Cluster, name: str) -> int:
    return sum(status.waiting for status in cluster.shared() if status.name == name)
