"""Dask and Ray clusters for the tests of engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Site, open_site
from support.dask_cluster import MODULE, DaskCluster, require_library
from support.ray_cluster import SETTINGS, RayCluster


@pytest.fixture(autouse=True)
def _library(request: pytest.FixtureRequest) -> None:
    """Skip the tests of a module where the library is missing that it is about."""
    require_library("ray" if request.module.__name__.endswith("ray") else "dask")


@pytest.fixture
def dask_site(tmp_path: Path) -> Iterator[tuple[Site, DaskCluster]]:
    """A coordinator, and a worker whose tasks run on a Dask cluster of two processes."""
    settings = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with open_site(tmp_path, "--lease", "3s", workers=0, settings=settings) as site:
        (tmp_path / "dask").mkdir()
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "deeds_there.py").write_text(MODULE)
        cluster = DaskCluster(tmp_path / "dask", site.shell.environment)
        try:
            cluster.start_scheduler()
            cluster.add_worker("--nworkers", "2")
            yield site, cluster
        finally:
            for worker in site.workers:
                worker.stop()
            cluster.stop()


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[RayCluster]:
    """A Ray cluster of two machines with a processor each, for the tests of one module."""
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
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "deeds_there.py").write_text(MODULE)
        yield site, ray_cluster
