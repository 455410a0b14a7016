"""The examples run as their first lines say, on this machine and on a cluster."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvips

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
    "monte_carlo": "pi is about 3.142",
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
    """A folder with the service's package, installed as anybody would: with pip."""
    folder = tmp_path_factory.mktemp("installed")
    package = shutil.copytree(SERVICE, folder / "package")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-index", "--no-deps", "--no-build-isolation", "--target", folder / "site", package],
        check=True, capture_output=True, timeout=EXAMPLE_SECONDS,
    )  # fmt: skip
    return str(folder / "site")


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


def test_an_example_without_its_service_says_what_to_install(shell: Shell) -> None:
    ended = subprocess.run(
        [sys.executable, EXAMPLES / "count_words.py"], env=shell.environment, cwd=shell.home,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr == ("first install the service: pip install ./examples/wordcount_service\n")


def test_a_service_has_commands_of_its_own_here_and_on_a_cluster(
    shell: Shell, site: Site, service: str, tmp_path: Path
) -> None:
    file, counted = tmp_path / "one.txt", tmp_path / "counted.txt"
    file.write_text("Water wheels turn, and the water turns the wheels.\n" * 3)
    shell.settings["PYTHONPATH"] = service
    here = shell.run("run", "wordcount", "count", "--least-letters", "5", file)
    assert (here.code, here.out) == (0, "6 water\n6 wheels\n3 turns\n")
    assert here.err.startswith("wordcount count: 1 task, 0 failed, ")
    there = site.shell.run(
        "submit", "wordcount", "count", "--least-letters", "5", file, "-o", counted
    )
    assert (there.code, there.out) == (0, "")
    assert there.err.rstrip().endswith(f"; the result to {counted}")
    assert counted.read_text() == here.out
    job = site.shell.run("submit", "wordcount", "count", file, "--detach").out.strip()
    assert site.shell.run("results", job, "--json").json()["result"]["the"] == 6
    assert "\n  wordcount  Count words.\n" in shell.run("run", "--help").out
    missing = shell.run("run", "wordcount", "count", tmp_path / "missing.txt")
    assert (missing.code, missing.err.count("\n")) == (2, 1)


def test_the_service_is_as_short_as_it_says() -> None:
    assert len((SERVICE / "wordcount_service.py").read_text().splitlines()) < 40


def test_the_page_about_services_shows_the_example() -> None:
    page = (REPOSITORY / "docs" / "services.md").read_text()
    source = (SERVICE / "wordcount_service.py").read_text().splitlines()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[:3]
    shown = [line.partition("  # ")[0].rstrip() for block in blocks for line in block.splitlines()]
    assert len(shown) > 25
    assert [line for line in shown if line not in source] == []
    commands = (SERVICE / "wordcount_commands.py").read_text()
    assert commands.partition("\n\n")[2] in page
    announced = (SERVICE / "pyproject.toml").read_text().partition("[project.entry-points")[2]
    assert f"```toml\n[project.entry-points{announced.partition('[tool')[0].rstrip()}\n```" in page


def test_the_demo_shows_a_detail_with_edges_and_not_a_bright_border(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The filter leaves the outermost pixels as they are, which are no edges."""
    monkeypatch.syspath_prepend(EXAMPLES)
    demo = importlib.import_module("demo")
    width, height = 3 * demo.TILE, 2 * demo.TILE
    line = pyvips.Image.black(demo.TILE // 2, 1) + 90
    drawn = pyvips.Image.black(width, height).insert(line, demo.TILE + 20, demo.TILE + 20)
    edges = drawn.crop(1, 1, width - 2, height - 2).embed(1, 1, width, height, extend="white")
    edges.cast("uchar").write_to_file(str(tmp_path / "edges.png"))
    most, corner = demo.find_detail(tmp_path / "edges.png")
    assert most > 0
    assert corner == (demo.TILE, demo.TILE)
