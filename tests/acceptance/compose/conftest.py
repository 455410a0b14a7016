"""compose.yaml on a real engine, from the build to the last volume.

The tests share one project and each brings it into the state that it needs; the last one, in
``test_stopping.py``, takes it down. They run in the order of their modules' names and as they are
written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.compose_engine import find_engine_problem
from support.compose_project import ComposeProject
from support.pictures import encode, make_picture

#: Pictures in the image job.
PICTURES = 12


@pytest.fixture(scope="package")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProject]:
    """Built and up with four workers."""
    problem = find_engine_problem()
    if problem:
        pytest.skip(f"no Docker engine: {problem}")
    project = ComposeProject(tmp_path_factory.mktemp("compose"))
    try:
        project.compose("build")
        project.start(4)
        project.fetch_key()
        yield project
    finally:
        project.close()


@pytest.fixture(scope="package")
def photos(project: ComposeProject) -> Path:
    folder = project.files / "photos"
    folder.mkdir()
    for number in range(PICTURES):
        picture = make_picture(320, 240, seed=number)
        (folder / f"{number:02}.png").write_bytes(encode(picture, "PNG"))
    project.own_files()
    return folder
