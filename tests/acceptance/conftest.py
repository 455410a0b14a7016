"""Shells and sites for the acceptance tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace.cluster import Cluster
from support.commands import Shell, Site, open_site, wait_until
from support.pool_programs import HEAD


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell of somebody who has set up nothing."""
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A coordinator and a worker with one slot, for tests that leave them as they are."""
    with open_site(tmp_path_factory.mktemp("site")) as opened:
        yield opened


@pytest.fixture
def cluster(site: Site) -> Iterator[Cluster]:
    """The cluster of the module's site."""
    with site.open_cluster() as opened:
        yield opened


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A coordinator with short leases and a worker, for tests that do them harm."""
    with open_site(tmp_path, "--lease", "2s") as opened:
        yield opened


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], list[str]]:
    """Makes a program with pools of a text, as the command that runs it."""

    def make(text: str) -> list[str]:
        path = tmp_path / "program.py"
        path.write_text(HEAD + text)
        return [sys.executable, str(path)]

    return make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.getuid() != 0 or subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "headrace-test", folder],
        check=False, capture_output=True,
    ).returncode:  # fmt: skip
        pytest.skip("a disk of its own takes root and mount")
    yield folder
    # A process that was killed may have a file open for a moment.
    wait_until(lambda: subprocess.run(["umount", folder], check=False).returncode == 0)
