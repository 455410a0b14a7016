"""An address is also a tuple of host and port, as ``multiprocessing.managers`` has it."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headrace import AsyncCluster, Cluster, Executor, Pool
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from support.coordinators import run_coordinator


@pytest.fixture(params=["127.0.0.1", "::1"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Address]:
    """The address of a coordinator without workers, whose key is in the test's folder."""
    host = request.param
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, 0), family=family).close()
    except OSError:
        pytest.skip(f"this machine has no {host}")
    settings = CoordinatorSettings(
        tmp_path / "data", tmp_path / "key", bind=Address(host, 0), http=None
    )
    with run_coordinator(settings) as coordinator:
        yield coordinator.bound


def test_everything_that_connects_accepts_a_host_and_a_port(
    address: Address, tmp_path: Path
) -> None:
    pair = (address.host, address.port)
    key_file = tmp_path / "key"
    with Cluster(pair, key_file=key_file) as cluster:
        assert cluster.workers() == ()
        assert cluster.address == address
        assert repr(cluster) == f"<Cluster at {address}>"
    with Pool(pair, key_file=key_file) as pool:
        pool.close()
    with Executor(pair, key_file=key_file):
        pass

    async def look() -> None:
        async with AsyncCluster(pair, key_file=key_file) as cluster:
            assert await cluster.workers() == ()
            assert repr(cluster) == f"<AsyncCluster at {address}>"

    asyncio.run(look())


def test_the_address_of_one_cluster_is_accepted_by_another(
    address: Address, tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    with (
        Cluster(str(address), key_file=key_file) as cluster,
        Executor(cluster.address, key_file=key_file) as executor,
    ):
        assert executor


def test_joblib_uses_one_cluster_for_an_address_however_it_is_written(
    address: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("joblib")
    joblib: Any = importlib.import_module("headrace.joblib")
    with closing(joblib.Clusters()) as clusters:
        monkeypatch.setattr(joblib, "CLUSTERS", clusters)
        for coordinator in ((address.host, address.port), str(address)):
            backend = joblib.HeadraceBackend(coordinator, tmp_path / "key")
            backend.start_call()
            backend.stop_call()
        (cluster,) = clusters._open.values()
        assert cluster.address == address
