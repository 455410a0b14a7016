"""A coordinator with short leases, and clusters that share its state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.cluster import Cluster
from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.key import load_key
from support.coordinators import run_coordinator
from support.shared_holders import LEASE_SECONDS, Open


@pytest.fixture
def settings(tmp_path: Path) -> CoordinatorSettings:
    return CoordinatorSettings(
        tmp_path / "data",
        tmp_path / "key",
        bind=Address("127.0.0.1", 0),
        http=None,
        lease_seconds=LEASE_SECONDS,
        shared_limit_bytes=8 << 20,
    )


@pytest.fixture
def coordinator(settings: CoordinatorSettings) -> Iterator[Coordinator]:
    with run_coordinator(settings) as coordinator:
        yield coordinator


@pytest.fixture
def open_cluster(coordinator: Coordinator, settings: CoordinatorSettings) -> Iterator[Open]:
    address = coordinator.bound
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(Cluster(address, load_key(settings.key_file)))


@pytest.fixture
def cluster(open_cluster: Open) -> Cluster:
    return open_cluster()
