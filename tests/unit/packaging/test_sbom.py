"""The parts list of the image: whole, valid, and the same each time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from support.places import REPOSITORY


def write_list() -> str:
    script = REPOSITORY / "requirements" / "sbom.py"
    return subprocess.run(
        [sys.executable, "-I", script], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture(scope="module")
def told() -> str:
    return write_list()


@pytest.fixture
def listed(told: str) -> Any:
    return json.loads(told)


def test_everything_that_the_package_runs_with_is_listed(listed: Any) -> None:
    lock = (REPOSITORY / "requirements" / "image.txt").read_text()
    pinned = set(re.findall(r"^([a-z0-9-]+)==([^ ]+) (?:\\\\)?", lock, re.MULTILINE))
    assert len(pinned) > 10
    # Whoever tests with other versions has those: names are what must be there.
    names = {part["name"] for part in listed["components"]}
    assert {name for name, _ in pinned} <= names
    assert listed["metadata"]["component"]["name"] == "headrace"


def test_each_part_has_a_version_and_a_place_of_its_own(listed: Any) -> None:
    parts = [listed["metadata"]["component"], *listed["components"]]
    assert all(part["version"] and part["purl"].startswith("pkg:") for part in parts)
    references = [part["bom-ref"] for part in parts]
    assert len(set(references)) == len(references)
    (of_root,) = listed["dependencies"]
    assert of_root["ref"] == references[0]
    assert sorted(of_root["dependsOn"]) == sorted(references[1:])


def test_the_same_parts_make_the_same_list(told: str) -> None:
    assert write_list() == told


def test_it_is_what_the_format_says(told: str) -> None:
    validation = pytest.importorskip("cyclonedx.validation.json")
    schema = pytest.importorskip("cyclonedx.schema")
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    assert validator.validate_str(told) is None


def test_the_image_installs_nothing_without_a_hash() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    installs = [line for line in lines if re.search(r"pip .*install", line)]
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)
