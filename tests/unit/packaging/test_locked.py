"""What is locked: everything that the project file asks for, whole, and from nowhere at all."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from support.places import REPOSITORY

LOCKS = ("build", "development", "image")

#: Versions of Python for which a lock must hold.
PYTHONS = ("3.11.0", "3.12.0", "3.13.0", "3.14.0", "3.15.0")

#: What glibc a Linux has at least, for which no dependency needs a compiler.
GLIBC = (2, 28)

#: What version a macOS has at least, likewise.
MACOS = (14, 0)

#: Those that are published as sources alone. Installing it compiles nothing: `pyvips-binary` beside
#: it has what is compiled.
SOURCES_ALONE = {"pyvips"}

#: Those whose newest versions have no wheels for Macs with processors of Intel; docs/platforms.md
#: says how older ones are had.
NOT_FOR_INTEL = {"cryptography"}


def read_project() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def read_lock(name: str) -> str:
    return (REPOSITORY / "requirements" / f"{name}.txt").read_text()


def list_pins(name: str, python: str, system: str = "linux") -> dict[str, str]:
    """The versions that a lock has for a version of Python on a system."""
    pins = {}
    for line in read_lock(name).splitlines():
        found = re.match(r"([a-z0-9-]+)==([^ ]+)(?: ; (.*?))? \\$", line)
        if found and applies(found[3], python, system):
            assert found[1] not in pins
            pins[found[1]] = found[2]
    return pins


def applies(marker: str | None, python: str, system: str = "linux") -> bool:
    here = {"python_full_version": python, "sys_platform": system}
    return marker is None or Marker(marker).evaluate(here)


def list_wanted(name: str) -> list[Requirement]:
    """What the project file asks for."""
    project = read_project()
    build = project["build-system"]["requires"]
    run = project["project"]["dependencies"]
    wanted = {
        "build": build,
        "image": run,
        "development": [*build, *run, *project["project"]["optional-dependencies"]["dev"]],
    }[name]
    return [
        requirement for requirement in map(Requirement, wanted) if requirement.name != "headrace"
    ]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", LOCKS)
def test_what_is_asked_for_is_locked_within_its_range(name: str, python: str) -> None:
    pins = list_pins(name, python)
    for requirement in list_wanted(name):
        assert requirement.specifier.contains(pins[requirement.name.lower().replace("_", "-")])


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("python", PYTHONS)
def test_nothing_that_is_locked_needs_a_compiler(python: str, machine: str) -> None:
    tags = list_tags(python, machine)
    pins = list_pins("development", python)
    missing = {name for name, version in pins.items() if not has_wheel(name, version, tags)}
    assert missing == SOURCES_ALONE


@pytest.mark.parametrize("machine", ["arm64", "x86_64", "win_amd64"])
@pytest.mark.parametrize("python", PYTHONS)
def test_nothing_that_is_used_on_macos_and_windows_needs_a_compiler(
    python: str, machine: str
) -> None:
    windows = machine == "win_amd64"
    tags = name_tags(python, [machine] if windows else [*mac_platforms(MACOS, machine)])
    pins = list_pins("image", python, "win32" if windows else "darwin")
    assert "uvloop" in pins or windows
    missing = {name for name, version in pins.items() if not has_wheel(name, version, tags)}
    assert missing == SOURCES_ALONE | (NOT_FOR_INTEL if machine == "x86_64" else set())


def list_tags(python: str, machine: str) -> set[Tag]:
    """What a wheel for this Python and processor may be named on Linux."""
    platforms = [f"manylinux_{GLIBC[0]}_{minor}_{machine}" for minor in range(GLIBC[1] + 1)]
    platforms += [f"{old}_{machine}" for old in ("manylinux2014", "manylinux2010", "manylinux1")]
    return name_tags(python, platforms)


def name_tags(python: str, platforms: list[str]) -> set[Tag]:
    """What a wheel for this Python and these platforms may be named."""
    version = Version(python).release[:2]
    interpreter = "cp{}{}".format(*version)
    return {
        *cpython_tags(version, platforms=platforms),
        *compatible_tags(version, interpreter, platforms),
    }


@cache
def list_wheels() -> list[tuple[str, Version, frozenset[Tag]]]:
    files = (REPOSITORY / "requirements" / "wheels.txt").read_text().splitlines()
    parsed = [parse_wheel_filename(name) for name in files if name.endswith(".whl")]
    return [(name, version, tags) for name, version, _, tags in parsed]


def has_wheel(name: str, version: str, tags: set[Tag]) -> bool:
    wanted = (name, Version(version))
    return any((one, its) == wanted and of_file & tags for one, its, of_file in list_wheels())


def test_the_classifiers_name_the_pythons_that_are_locked_for() -> None:
    head = "Programming Language :: Python :: "
    named = [one for one in read_project()["project"]["classifiers"] if one.startswith(head)]
    assert [f"{one.removeprefix(head)}.0" for one in named] == list(PYTHONS)


def test_the_oldest_versions_that_are_promised_are_locked_for_their_tests() -> None:
    pins = list_pins("oldest", PYTHONS[0])
    for requirement in list_wanted("image"):
        (oldest,) = (one.version for one in requirement.specifier if one.operator == ">=")
        assert Version(pins[requirement.name]) == Version(oldest), requirement


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["build", "image"])
def test_what_the_image_runs_is_what_was_tested(name: str, python: str) -> None:
    assert list_pins(name, python).items() <= list_pins("development", python).items()


@pytest.mark.parametrize("name", [*LOCKS, "audit", "fuzz", "oldest"])
def test_every_version_has_hashes(name: str) -> None:
    blocks = re.split(r"\n(?=[a-z])", read_lock(name))[1:]
    assert blocks
    for block in blocks:
        assert re.search(r"==[^ ]+.* \\\n    --hash=sha256:", block), block


@pytest.mark.parametrize("name", [*LOCKS, "audit", "fuzz", "oldest", "wheels"])
def test_a_lock_names_no_place(name: str) -> None:
    text = read_lock(name)
    for place in ("://", "--index", "--extra-index", "--find-links", " @ ", "file:", "/home/"):
        assert place not in text
