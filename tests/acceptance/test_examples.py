"""The examples run as their first lines say, on this machine and on a cluster."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Shell, Site, open_site
from support.places import REPOSITORY

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("examples")

EXAMPLES = REPOSITORY / "examples"
SERVICE = EXAMPLES / "wordcount_service"

#: Seconds that an example has.
EXAMPLE_SECONDS = 90

#: What each example prints. In empty space a ball flies v² sin(2 angle) / g.
PRINTED = {
    "monte_carlo": "pi is about 3.141",
    "parameter_sweep": "45.0,40.0,0.0,163.1\n",
    "map_reduce": "the digits below 1,000,000 add up to 27,000,000\n",
}


def run(shell: Shell, name: str, *words: str | Path, code: int = 0) -> str:
    """Run an example to its end. Returns what it prints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py", *map(str, words)],
        check=False, capture_output=True, text=True, timeout=EXAMPLE_SECONDS,
        env=shell.environment, cwd=shell.home,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stderr
    return done.stdout + (done.stderr if code else "")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A search path on which the service's package is installed: its module, and its metadata."""
    folder = tmp_path_factory.mktemp("installed")
    project = tomllib.loads((SERVICE / "pyproject.toml").read_text())["project"]
    metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = project["entry-points"].items()
    lines = [
        line
        for group, entries in groups
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return os.pathsep.join([str(folder), str(SERVICE)])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, service: str) -> Iterator[Site]:
    """A coordinator, and two workers as the examples ask for them."""
    with open_site(tmp_path_factory.mktemp("site"), workers=0) as opened:
        opened.shell.settings["PYTHONPATH"] = service
        for number in range(2):
            opened.add_worker(
                "--slots", "1", "--name", f"worker-{number}", "--allow-pickle",
                "--path", str(EXAMPLES), "--allow", "ballistics",
            )  # fmt: skip
        yield opened


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_runs_on_this_machine(shell: Shell, name: str) -> None:
    assert PRINTED[name] in run(shell, name)


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_runs_on_a_cluster(site: Site, name: str) -> None:
    assert PRINTED[name] in run(site.shell, name, site.address)


def test_a_line_of_a_sweep_that_goes_wrong_is_told_of(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("angle_degrees,speed,drag\n45,40,0\n45,40,-1\n30,40,0\n")
    told = run(shell, "parameter_sweep", file, code=1)
    assert PRINTED["parameter_sweep"] in told
    assert "the air does not push" in told
    assert "\n30.0,40.0,0.0,141.2\n" in told


def test_a_service_of_ones_own_runs_on_this_machine_and_on_a_cluster(
    shell: Shell, site: Site, service: str, tmp_path: Path
) -> None:
    (tmp_path / "one.txt").write_text("Water wheels turn, and the water turns the wheels.\n" * 3)
    (tmp_path / "two.txt").write_text("water, water, water")
    files = [tmp_path / "one.txt", tmp_path / "two.txt"]
    shell.settings["PYTHONPATH"] = service
    here = run(shell, "count_words", *files)
    assert here.splitlines()[:2] == ["     9 water", "     6 wheels"]
    assert run(site.shell, "count_words", site.address, *files) == here


def test_the_service_is_as_short_as_it_says() -> None:
    assert len((SERVICE / "wordcount_service.py").read_text().splitlines()) < 40


def test_the_page_about_services_shows_the_example() -> None:
    page = (REPOSITORY / "docs" / "services.md").read_text()
    source = (SERVICE / "wordcount_service.py").read_text().splitlines()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:3]
    shown = [line.partition("  # ")[0].rstrip() for block in blocks for line in block.splitlines()]
    assert len(shown) > 25
    assert [line for line in shown if line not in source] == []
