"""The containers of a compose project: their image, settings, confinement and keys."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

import pytest

from headrace_wire.system.landlock import explain_missing
from headrace_wire.version import VERSION
from support.compose_engine import COMPOSE_MARKS, REPOSITORY
from support.compose_project import ComposeProject, docker, inspect, poll

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = COMPOSE_MARKS

#: What runs, and what of it is of the image that is built here.
SERVICES = ("coordinator", "worker", "prometheus", "alertmanager")

OURS = ("coordinator", "worker")


def test_a_setting_for_one_command_leaves_the_coordinator_alone(project: ComposeProject) -> None:
    before = project.list_containers("coordinator")
    project.compose("run", "--rm", "-T", "cli", "workers", settings={"HEADRACE_LEASE": "20s"})
    assert project.list_containers("coordinator") == before


def test_the_image_says_what_it_is(project: ComposeProject) -> None:
    [container] = project.list_containers("coordinator")
    labels = inspect(container)["Config"]["Labels"]
    prefix = "org.opencontainers.image"
    said = {name: labels[f"{prefix}.{name}"] for name in ("title", "version", "licenses")}
    assert said == {"title": "headrace", "version": VERSION, "licenses": "MIT"}
    assert labels[f"{prefix}.revision"] == "c0ffee"


def test_logs_are_rotated(project: ComposeProject) -> None:
    for service in SERVICES:
        containers = project.list_containers(service)
        assert containers, service
        for container in containers:
            assert inspect(container)["HostConfig"]["LogConfig"]["Config"]["max-size"] == "10m"


def test_containers_are_confined(project: ComposeProject) -> None:
    for service in SERVICES:
        containers = project.list_containers(service)
        assert containers, service
        for container in containers:
            facts = inspect(container)
            host = facts["HostConfig"]
            assert facts["Config"]["User"] == (
                "{}:{}".format(*project.user) if service in OURS else "nobody"
            )
            assert host["ReadonlyRootfs"]
            assert host["Init"]
            assert host["CapDrop"] == ["ALL"]
            assert host["SecurityOpt"] == ["no-new-privileges:true"]
            published = [place for places in host["PortBindings"].values() for place in places]
            assert all(place["HostIp"] == "127.0.0.1" for place in published)
            volumes = [mount["Name"] for mount in facts["Mounts"] if mount["Type"] == "volume"]
            assert all(volume.startswith(project.name) for volume in volumes), "anonymous volume"


def test_the_image_lists_its_parts(project: ComposeProject) -> None:
    place = "/usr/share/headrace/sbom.cdx.json"
    told = json.loads(project.compose("exec", "-T", "coordinator", "cat", place))
    names = {part["name"] for part in told["components"]}
    assert {"python", "msgspec", "cryptography", "libc6"} <= names
    assert told["metadata"]["component"]["name"] == "headrace"


def test_every_profile_is_valid_and_one_service_builds(project: ComposeProject) -> None:
    shown = project.compose("--profile", "*", "config", "--format", "json")
    services = json.loads(shown)["services"]
    names = ["alertmanager", "cli", "coordinator", "grafana", "prometheus", "worker"]
    assert sorted(services) == names
    assert [name for name, service in services.items() if "build" in service] == ["coordinator"]
    # Of an image that no registry has, a registry is not asked.
    ours = [services[name] for name in ("cli", "coordinator", "worker")]
    assert [service["pull_policy"] for service in ours] == ["never"] * 3
    # Of the form 1m0s, in which compose shows it: a minute at least.
    assert services["worker"]["environment"]["HEADRACE_DRAIN"] == "30s"
    assert "m" in services["worker"]["stop_grace_period"]


def test_only_the_coordinator_can_change_the_key(project: ComposeProject) -> None:
    uid, _ = project.user
    state = project.compose("exec", "-T", "coordinator", "stat", "-c", "%a %u %s", "/key/key")
    assert state.split() == ["600", str(uid), "65"]
    # Whoever takes over a worker finds no key that does more than a worker's.
    assert project.compose("exec", "-T", "worker", "ls", "/key").split() == ["worker.key"]
    assert project.compose("run", "--rm", "-T", "--entrypoint", "ls", "cli", "/key").split() == [
        "client.key"
    ]
    project.compose("exec", "-T", "worker", "touch", "/key/another", expected=1)
    project.compose("exec", "-T", "worker", "touch", "/opt/headrace/another", expected=1)
    project.compose("exec", "-T", "coordinator", "touch", "/key/another")
    # What runs tasks cannot even read it, where the kernel can see to that.
    log = project.compose("logs", "--no-log-prefix", "worker")
    assert explain_missing() or "tasks cannot read what lies in /key" in log


def test_pip_in_the_image_installs_where_headrace_is(project: ComposeProject) -> None:
    listed = project.compose("exec", "-T", "worker", "pip", "list", "--format", "json")
    assert "headrace" in {package["name"] for package in json.loads(listed)}


def test_a_wrong_key_is_refused(project: ComposeProject, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.touch(0o600)
    wrong.write_text(secrets.token_hex(32))
    project.headrace("health", "--key-file", str(wrong), expected=77)


def test_a_worker_elsewhere_joins_with_a_key_and_an_image(
    project: ComposeProject, tmp_path: Path
) -> None:
    """compose.worker.yaml as a project of its own, in the coordinator's network alone."""
    project.start(4)
    key = tmp_path / "worker.key"
    key.touch(mode=0o600)
    new = ("headrace", "keys", "new", "elsewhere", "--role", "worker")
    key.write_text(project.compose("exec", "-T", "coordinator", *new))
    if os.geteuid() == 0:
        os.chown(key, *project.user)
    # What is published in a test can be reached from this machine's own loopback alone.
    network = tmp_path / "network.yaml"
    network.write_text(
        json.dumps({"networks": {"default": {"name": f"{project.name}_default", "external": True}}})
    )
    elsewhere = {
        "COMPOSE_FILE": f"{REPOSITORY / 'compose.worker.yaml'}{os.pathsep}{network}",
        "COMPOSE_PROJECT_NAME": f"{project.name}-elsewhere",
        "HEADRACE_COORDINATOR": "coordinator:7333",
        "HEADRACE_KEY_FILE": str(key),
        "HEADRACE_NAME": "elsewhere",
    }
    try:
        project.compose("up", "--detach", "--wait", settings=elsewhere)
        assert "elsewhere" in {worker["name"] for worker in project.list_workers()}
        said = project.compose("logs", "worker", settings=elsewhere)
        assert "tasks cannot read /run/secrets/" in said or explain_missing()
    finally:
        project.compose("down", "--volumes", settings=elsewhere)
    poll(project.list_workers, lambda workers: len(workers) == 4)


def test_health_of_a_worker_needs_the_worker_itself(project: ComposeProject) -> None:
    project.compose("exec", "-T", "worker", "headrace", "health", "--local-worker")
    project.compose("exec", "-T", "coordinator", "headrace", "health")
    project.compose(
        "exec", "-T", "coordinator", "headrace", "health", "--local-worker", expected=69
    )


def test_containers_say_what_they_may_not_read(project: ComposeProject, tmp_path: Path) -> None:
    folder = tmp_path / "unreadable"
    folder.mkdir(mode=0o000)
    config = project.compose("--profile", "*", "config", "--format", "json")
    services = json.loads(config)["services"]
    for service, place in (
        ("prometheus", "prometheus"),
        ("alertmanager", "alertmanager"),
        ("grafana", "grafana/dashboards"),
    ):
        sh, *script = [word.replace("$$", "$") for word in services[service]["entrypoint"]]
        start = ["run", "--rm", "-v", f"{folder}:/etc/{place}:ro", "--entrypoint", sh]
        with pytest.raises(AssertionError, match=r"chmod -R go\+rX monitoring"):
            docker(*start, services["prometheus"]["image"], *script)  # any image with a shell
    settings = {"HEADRACE_CODE": str(folder)}
    with pytest.raises(AssertionError, match=r"exits with 2:(?s:.*)may not read /code"):
        project.compose("run", "--rm", "-T", "--no-deps", "worker", settings=settings)
