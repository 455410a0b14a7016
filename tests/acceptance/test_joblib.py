"""joblib and scikit-learn give the same on a cluster as on their own backend."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Shell, Site, open_site
from support.places import REPOSITORY

PROGRAMS = REPOSITORY / "tests" / "support" / "programs"

# One process runs each of them with joblib's own backend, and has the two workers.
pytestmark = pytest.mark.xdist_group("joblib")

#: Seconds that a program has.
PROGRAM_SECONDS = 90

#: Programs that take a backend's name, and an address; and joblib's own backend for each.
OWN = {"joblib_calls": "loky", "joblib_search": "threading"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A coordinator and two workers that open pickled functions."""
    with open_site(tmp_path_factory.mktemp("site"), workers=0) as opened:
        for number in range(2):
            opened.add_worker("--slots", "1", "--name", f"worker-{number}", "--allow-pickle")
        yield opened


def run(shell: Shell, name: str, *words: str) -> str:
    """Run a program to its end. Returns what it prints."""
    printed, said = run_anyhow(shell, name, *words)
    assert "Traceback" not in said, said
    return printed


def run_anyhow(shell: Shell, name: str, *words: str) -> tuple[str, str]:
    """Run a program to its end. Returns what it prints, and what it says on standard error."""
    done = subprocess.run(
        [sys.executable, PROGRAMS / f"{name}.py", *words],
        check=False, capture_output=True, text=True, timeout=PROGRAM_SECONDS,
        env=shell.environment, cwd=shell.home,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@functools.cache
def run_original(name: str) -> str:
    """What a program prints with a backend of joblib's own. The threads of its processes may say
    of themselves that they failed: joblib 1.6 does after a call that came too late.
    """
    # A search gives the same with threads, and they need not import scikit-learn once more.
    printed, _ = run_anyhow(Shell(Path.cwd()), name, OWN[name])
    return printed


@pytest.mark.parametrize("name", OWN)
def test_a_program_prints_the_same_on_this_machine(shell: Shell, name: str) -> None:
    assert run(shell, name, "headrace") == run_original(name) != ""


@pytest.mark.parametrize("name", OWN)
def test_a_program_prints_the_same_on_a_cluster(site: Site, name: str) -> None:
    assert run(site.shell, name, "headrace", site.address) == run_original(name)


def test_a_cluster_without_workers_is_said_to_have_none(tmp_path: Path) -> None:
    code = (
        "import sys, joblib, headrace.joblib\n"
        "headrace.joblib.WORKER_SECONDS = 2.0\n"  # one on this machine would be there by then
        "joblib.Parallel(backend='headrace', n_jobs=-1, coordinator=sys.argv[1])([])\n"
    )
    with open_site(tmp_path, workers=0) as site:
        done = subprocess.run(
            [sys.executable, "-c", code, site.address],
            check=False, capture_output=True, text=True, timeout=PROGRAM_SECONDS,
            env=site.shell.environment,
        )  # fmt: skip
    assert done.returncode == 1
    assert "no worker is connected" in done.stderr
