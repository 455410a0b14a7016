"""The project on macOS and Windows, as far as a stand-in on Linux can tell: see other_system."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Shell, Site, open_site
from support.places import REPOSITORY

SUPPORT = REPOSITORY / "tests" / "support"

#: Seconds that a program has.
PROGRAM_SECONDS = 90

# One process has the coordinator.
pytestmark = pytest.mark.xdist_group("other systems")

every_system = pytest.mark.parametrize("system", ["darwin", "win32"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A coordinator and a worker on Linux."""
    with open_site(tmp_path_factory.mktemp("site"), workers=0) as opened:
        opened.add_worker("--slots", "1", "--allow", "builtins:abs", "--allow", "builtins:len")
        yield opened


def run(shell: Shell, program: Path) -> list[str]:
    """Run a program to its end. Returns the lines that it prints."""
    done = subprocess.run(
        [sys.executable, program], cwd=shell.home, env=shell.environment,
        check=False, capture_output=True, text=True, timeout=PROGRAM_SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def live_on(system: str, shell: Shell) -> Shell:
    """The same shell on another system."""
    settings = {"OTHER_SYSTEM": system, "PYTHONPATH": str(SUPPORT / "other_system")}
    return Shell(shell.home, {**shell.settings, **settings})


@every_system
def test_all_is_loaded_and_explained_and_calls_are_prepared(system: str, tmp_path: Path) -> None:
    (line,) = run(live_on(system, Shell(tmp_path)), SUPPORT / "other_system" / "visit.py")
    assert line.startswith(f"{system} ")


@every_system
def test_a_pool_has_its_own_cluster(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert run(live_on(system, Shell(tmp_path)), SUPPORT / "programs" / "on_any_system.py") == [
        f"{system} [3, 2, 1, 0, 1, 2] [3145728, 3145728]",
        "[0, 1, 4, 9] True",
        "it vanished",
    ]


@every_system
def test_a_client_uses_a_cluster_elsewhere(system: str, site: Site) -> None:
    shell = live_on(system, site.shell)
    assert run(shell, SUPPORT / "programs" / "on_any_system.py") == [
        f"{system} [3, 2, 1, 0, 1, 2] [3145728, 3145728]",
        "1 worker",
    ]
    done = shell.run("submit", "primes", "count", "0", "1000")
    assert (done.code, done.out) == (0, "168\n"), done.err
    assert shell.run("jobs").code == 0
    assert shell.run("top", "--once").code == 0
