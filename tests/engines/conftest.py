"""Dask clusters for the tests of engines."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.commands import Site, open_site
from support.dask_cluster import MODULE, DaskCluster


@pytest.fixture(autouse=True)
def _library() -> None:
    if find_spec("distributed") is None:
        pytest.skip("Dask is not installed here: `make engines` has an environment for it")


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
