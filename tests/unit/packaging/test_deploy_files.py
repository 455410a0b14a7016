"""Dockerfile, compose.yaml, compose.worker.yaml and deploy/swarm.yaml: names, labels, settings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from headrace_wire.version import VERSION
from support.places import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
COMPOSE = REPOSITORY / "compose.yaml"
WORKER = REPOSITORY / "compose.worker.yaml"
SWARM = REPOSITORY / "deploy" / "swarm.yaml"

#: Pages and files in which a tag of the image stands.
TAGGED = [COMPOSE, WORKER, SWARM, *REPOSITORY.glob("docs/*.md"), *REPOSITORY.glob("docs/*/*.md")]


def render(*command: str, **settings: str) -> str:
    """What Docker's command line makes of a file; that asks no engine."""
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HEADRACE_", "COMPOSE_"))}
    done = subprocess.run(
        ["docker", *command],
        env={**inherited, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "is not a docker command" in done.stderr or "unknown flag" in done.stderr:
        pytest.skip("this docker has no compose")
    return done.stdout if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("path", [REPOSITORY / "Dockerfile", COMPOSE, WORKER, SWARM])
def test_nothing_names_a_processor(path: Path) -> None:
    assert not re.search(r"(?i)amd64|x86|arm64|aarch64|manylinux", path.read_text())


def render_worker(folder: Path, **settings: str) -> Any:
    """The service of compose.worker.yaml, with nothing but these settings; or what is wrong."""
    shutil.copy(WORKER, folder)
    file = str(folder / WORKER.name)
    text = render("compose", "--file", file, "config", "--format", "json", **settings)
    return json.loads(text)["services"]["worker"] if text.startswith("{") else text


def test_every_tag_of_the_image_is_the_version() -> None:
    assert re.findall(r"^ARG VERSION=(\S+)", DOCKERFILE, re.MULTILINE) == [VERSION]
    for path in TAGGED:
        tags = set(
            re.findall(r"(?:registry\.example/|[ {-])headrace:(\d[\d.]*\d)", path.read_text())
        )
        # An upgrade shows the version that comes next.
        assert tags <= ({VERSION} if path.suffix == ".yaml" else {VERSION, "0.2.1"}), path
    assert f":-headrace:{VERSION}}}" in COMPOSE.read_text()


def test_the_image_has_labels() -> None:
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", DOCKERFILE))
    assert labels == {"title", "description", "version", "revision", "source", "licenses"}


@pytest.mark.parametrize("path", [COMPOSE, WORKER, SWARM], ids=lambda path: path.name)
def test_every_setting_is_explained_at_the_top(path: Path) -> None:
    text = path.read_text()
    explained = {
        name
        for line in re.findall(r"^#   (.*)", text, re.MULTILINE)
        for name in re.findall(r"\b[A-Z]+_[A-Z_]+\b", line)
    }
    used = set(re.findall(r"\$\{([A-Z_]+)", text))
    # Of the build, which `make image` does as well.
    assert used - explained <= {"HEADRACE_REVISION", "HEADRACE_SOURCE"}
    assert used


def test_a_worker_elsewhere_wants_three_settings(tmp_path: Path) -> None:
    coordinator, image = "192.0.2.10:7333", "registry.example/headrace:1"
    key = tmp_path / "laboratory.key"
    worker = render_worker(
        tmp_path,
        HEADRACE_COORDINATOR=coordinator,
        HEADRACE_IMAGE=image,
        HEADRACE_KEY_FILE=str(key),
    )
    assert worker["image"] == image
    assert worker["environment"]["HEADRACE_COORDINATOR"] == coordinator
    assert worker["secrets"] == [{"source": "worker-key", "target": "worker.key"}]
    assert worker["read_only"]
    assert worker["cap_drop"] == ["ALL"]
    # Tasks see nothing of this folder, in which the key lies.
    assert all(volume["type"] == "volume" for volume in worker["volumes"])
    assert "ports" not in worker
    for missing in ("HEADRACE_COORDINATOR", "HEADRACE_IMAGE"):
        settings = {"HEADRACE_COORDINATOR": coordinator, "HEADRACE_IMAGE": image}
        del settings[missing]
        said = render_worker(tmp_path, **settings)
        assert f"{missing} is missing a value: say " in said


@pytest.mark.parametrize(
    ("settings", "workers"),
    [({}, 1), ({"HEADRACE_WORKERS": "4"}, 4), ({"HEADRACE_WORKERS": "0"}, 0)],
)
def test_the_number_of_workers_is_a_setting_that_each_up_has(
    settings: dict[str, str], workers: int
) -> None:
    text = render("compose", "--file", str(COMPOSE), "config", "--format", "json", **settings)
    assert json.loads(text)["services"]["worker"]["scale"] == workers


def test_what_is_started_on_top_leaves_the_number_of_workers_alone() -> None:
    """`--profile … up` would be an `up` of all services, and end those that `--scale` added."""
    pages = [*TAGGED, REPOSITORY / "README.md", *(REPOSITORY / "monitoring").rglob("*.yml")]
    for path in pages:
        assert not re.search(r"--profile [a-z]", path.read_text()), path


def test_compose_takes_the_certificates_of_its_page(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "deploy" / "certificates.md").read_text()
    (override,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    shutil.copy(COMPOSE, tmp_path)
    (tmp_path / "compose.override.yaml").write_text(override)
    files = [str(tmp_path / name) for name in ("compose.yaml", "compose.override.yaml")]
    options = [word for file in files for word in ("--file", file)]
    text = render("compose", *options, "--profile", "cli", "config", "--format", "json")
    services = json.loads(text)["services"]
    for name in ("coordinator", "worker", "cli"):
        assert services[name]["environment"]["HEADRACE_TLS_CERT"] == "/tls/certificate.pem"
        # What compose.yaml says of it is still there.
        assert "HEADRACE_KEY_FILE" in services[name]["environment"] or name == "coordinator"
        sources = {volume["source"] for volume in services[name]["volumes"]}
        assert str(tmp_path / "tls" / name) in sources


def test_no_setting_of_the_stack_is_for_one_deployment_alone() -> None:
    """The next `docker stack deploy` would take it back: an image, or a key that was replaced."""
    page = (REPOSITORY / "docs" / "deploy" / "swarm.md").read_text()
    deployments = re.findall(r"^.*docker stack deploy .*$", page, re.MULTILINE)
    assert len(deployments) >= 3
    assert all(line.startswith("docker ") for line in deployments)


def test_docker_takes_the_stack() -> None:
    text = render("stack", "config", "--compose-file", str(SWARM), HEADRACE_IMAGE="headrace:1")
    assert text.startswith("version:"), text
    assert text.count("    image: headrace:1\n") == 2
    assert "Ignoring" not in text
    said = render("stack", "config", "--compose-file", str(SWARM))
    assert "say the image" in said


def test_workers_are_the_same_everywhere() -> None:
    """What a worker may do to its machine, and how it is stopped, differs by no file."""
    for line in (
        "init: true",
        "read_only: true",
        "cap_drop: [ALL]",
        "stop_grace_period: 60s",
        "HEADRACE_DRAIN: 30s",
        "HEADRACE_UNREPORTED: /unreported",
        "test: [CMD, headrace, health, --local-worker]",
    ):
        assert all(line in path.read_text() for path in (COMPOSE, WORKER, SWARM)), line
