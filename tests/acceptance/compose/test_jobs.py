"""Jobs of a compose project, submitted from the host and from a container."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from PIL import ImageFilter

from support.compose_engine import COMPOSE_MARKS, REPOSITORY
from support.compose_jobs import BLUR_TOLERANCE
from support.compose_project import ComposeProject, poll
from support.pictures import decode, pixels

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = COMPOSE_MARKS

#: Primes below 10^9, known from the literature.
PRIMES_BELOW_1E9 = 50_847_534


def test_primes_are_counted_from_the_host(project: ComposeProject) -> None:
    assert project.headrace("submit", "primes", "count", "0", "1e9") == f"{PRIMES_BELOW_1E9}\n"


def test_primes_are_counted_from_a_container(project: ComposeProject) -> None:
    assert project.cli("submit", "primes", "count", "0", "1e9") == f"{PRIMES_BELOW_1E9}\n"


def test_primes_found_are_the_same_from_host_and_container(project: ComposeProject) -> None:
    project.own_files()
    find = ["submit", "primes", "find", "0", "1e7", "-o"]
    project.headrace(*find, "from-host.txt")
    project.cli(*find, "from-container.txt")
    container = project.files / "from-container.txt"
    lines = container.read_text().split()
    assert len(lines) == 664_579
    assert lines[:5] == ["2", "3", "5", "7", "11"]
    assert (project.files / "from-host.txt").read_bytes() == container.read_bytes()
    assert (container.stat().st_uid, container.stat().st_gid) == project.user


def test_the_commands_of_the_page_do_what_it_says(project: ComposeProject, photos: Path) -> None:
    page = (REPOSITORY / "docs" / "deploy" / "compose.md").read_text()
    commands = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)[1]
    project.own_files()
    said = project.run_shell(commands)
    assert said.startswith("50847534\n")
    assert "/?token=" in said
    assert len(list((project.files / "blurred").iterdir())) == len(list(photos.iterdir()))


@pytest.mark.parametrize("where", ["host", "container"])
def test_pictures_are_blurred(project: ComposeProject, photos: Path, where: str) -> None:
    submit = project.headrace if where == "host" else project.cli
    submit("submit", "images", "blur", "photos", f"blurred-{where}", "--radius", "3")
    blurred = sorted((project.files / f"blurred-{where}").iterdir())
    assert [path.name for path in blurred] == sorted(path.name for path in photos.iterdir())
    for path in blurred:
        original = decode((photos / path.name).read_bytes())
        wanted = pixels(original.filter(ImageFilter.GaussianBlur(3)))
        made = pixels(decode(path.read_bytes()))
        assert abs(made - wanted).max() <= BLUR_TOLERANCE


def test_functions_of_ones_own_run_in_the_workers(project: ComposeProject) -> None:
    (project.files / "numbers.jsonl").write_text("4\n9\n")
    project.own_files()
    for submit in (project.headrace, project.cli):
        doubled = submit("submit", "map", "shop:double", "numbers.jsonl")
        assert [json.loads(line)["value"] for line in doubled.splitlines()] == [8, 18]
    counted = 'headrace_user_counts_total{name="doubled"}'

    def read_counts() -> list[str]:
        return [series["value"][1] for series in project.query(counted)]

    assert poll(read_counts, lambda seen: seen == ["4"])
    roots = project.headrace("submit", "map", "math:sqrt", "numbers.jsonl")
    assert [json.loads(line)["value"] for line in roots.splitlines()] == [2.0, 3.0]
    project.headrace("submit", "map", "math:exp", "numbers.jsonl", expected=1)
