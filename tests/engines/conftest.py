"""Dask and Ray clusters for the tests of engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Site, open_site
from support.dask_cluster import DaskCluster
from support.engine_code import require_library, write_code
from support.ray_cluster import SETTINGS, RayCluster


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """A folder for the function ``hold`` of the tests' module: each call in it leaves its mark."""
    folder = tmp_path / "held"
    folder.mkdir()
    return folder


@pytest.fixture
def dask_site(tmp_path: Path) -> Iterator[tuple[Site, DaskCluster]]:
    """A coordinator, and a Dask cluster of two processes that a worker may use."""
    require_library("dask")
    with open_site(tmp_path, "--lease", "3s", workers=0) as site:
        (tmp_path / "dask").mkdir()
        write_code(tmp_path)
        cluster = DaskCluster(tmp_path / "dask", site.shell.environment)
        try:
            cluster.start_scheduler()
            cluster.add_worker("--nworkers", "2")
            yield site, cluster
        finally:
            for worker in site.workers:
                worker.stop()
            cluster.stop()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """A Ray cluster of two machines with a processor each, for all tests."""
    require_library("ray")
    cluster = RayCluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def ray_site(tmp_path: Path, ray_cluster: RayCluster) -> Iterator[tuple[Site, RayCluster]]:
    """A coordinator, and a Ray cluster that a worker may use."""
    with open_site(tmp_path, "--lease", "3s", workers=0, settings=SETTINGS) as site:
        write_code(tmp_path)
        yield site, ray_cluster


@pytest.fixture(params=["dask", "ray"])
def site_there(request: pytest.FixtureRequest) -> tuple[Site, DaskCluster | RayCluster]:
    """A coordinator, and each kind of cluster in turn."""
    found: tuple[Site, DaskCluster | RayCluster] = request.getfixturevalue(f"{request.param}_site")
    return found
