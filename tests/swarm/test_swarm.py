"""deploy/swarm.yaml in a swarm of one node, as docs/deploy/swarm.md says: `make swarm-test`.

The tests share one stack, and run in order.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.compose_engine import find_engine_problem
from support.compose_project import docker, find_port, poll
from support.places import REPOSITORY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        "SWARM_TEST" not in os.environ, reason="makes this machine a swarm: make swarm-test"
    ),
]

#: Primes below 10^9, known from the literature.
PRIMES = 50_847_534

#: Naps in the job that is disturbed, and the seconds of each: two minutes for four slots, as the
#: update takes more than one where the machine is busy.
NAPS = 1800
NAP_SECONDS = 0.3

#: Seconds within which the swarm has started, updated or stopped what it shall.
PATIENCE_SECONDS = 240.0


class Stack:
    """A swarm of this machine alone, with the stack in it; ``close`` ends both."""

    def __init__(self, folder: Path) -> None:
        self.name = f"headrace-{secrets.token_hex(4)}"
        self.folder = folder
        self.key_file = folder / "alice.key"
        self.images = [f"{self.name}:{version}" for version in ("a", "b")]
        self.port = find_port()
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")
        }

    def prepare(self) -> None:
        """Build the image, make the swarm, label its node, and make the keys."""
        docker("build", "--tag", self.images[0], ".")
        # An update needs another image, as a new version is.
        change = f"FROM {self.images[0]}\nENV HEADRACE_SECOND=1\n"
        self._run(["docker", "build", "--tag", self.images[1], "-"], text=change)
        docker("swarm", "init", "--advertise-addr", "127.0.0.1")
        docker("node", "update", "--label-add", "headrace=coordinator", self.find_node())
        keys = ["docker", "run", "--rm", "--volume", f"{self.name}:/key", self.images[0], "keys"]
        self._run([*keys, "init"])
        worker_key = self._run([*keys, "new", "swarm", "--role", "worker"])
        self._run(["docker", "secret", "create", "headrace_worker_key", "-"], text=worker_key)

    def find_node(self) -> str:
        return docker("node", "ls", "--quiet").strip()

    def deploy(self, image: str) -> None:
        settings = {
            "HEADRACE_IMAGE": image,
            "HEADRACE_KEY_VOLUME": self.name,
            "HEADRACE_PORT": str(self.port),
            "HEADRACE_HTTP_PORT": str(find_port()),
            "HEADRACE_ALLOW": "time:sleep",
        }
        file = ["--compose-file", "deploy/swarm.yaml"]
        command = ["docker", "stack", "deploy", "--detach=true", *file, self.name]
        self._run(command, settings=settings)

    def make_key(self) -> None:
        coordinator = docker("ps", "--quiet", "--filter", f"name={self.name}_coordinator").strip()
        key = docker("exec", coordinator, "headrace", "keys", "new", "alice")
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(key)

    def list_replicas(self) -> dict[str, str]:
        """What runs of what is wanted, by service, such as ``{"worker": "4/4"}``."""
        lines = docker("stack", "services", "--format", "{{.Name}} {{.Replicas}}", self.name)
        pairs = (line.split() for line in lines.splitlines())
        return {name.removeprefix(f"{self.name}_"): replicas for name, replicas in pairs}

    def list_images(self) -> set[str]:
        """The images of what runs."""
        running = ("--filter", f"label=com.docker.stack.namespace={self.name}")
        return set(docker("ps", "--format", "{{.Image}}", *running).split())

    def has_updated(self, image: str) -> bool:
        states = {
            docker(
                "service",
                "inspect",
                "--format",
                "{{.UpdateStatus.State}}",
                f"{self.name}_{service}",
            ).strip()
            for service in ("coordinator", "worker")
        }
        assert not states & {"paused", "rollback_started", "rollback_completed"}, states
        return states == {"completed"} and self.list_images() == {image}

    def list_workers(self) -> list[dict[str, Any]]:
        workers: list[dict[str, Any]] = json.loads(self.headrace("workers", "--json"))
        return workers

    def headrace(self, *arguments: str) -> str:
        return self._run(self.say(*arguments), settings=self.client)

    def say(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "headrace", *arguments]

    @property
    def client(self) -> dict[str, str]:
        return {
            "HEADRACE_COORDINATOR": f"127.0.0.1:{self.port}",
            "HEADRACE_KEY_FILE": str(self.key_file),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command line, and leave it to its work."""
        return subprocess.Popen(
            self.say(*arguments),
            cwd=self.folder,
            env={**self._environment, **self.client},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """Leave the swarm, which ends its services, and remove volumes and images."""
        docker("swarm", "leave", "--force")
        ours = ("--filter", f"label=com.docker.stack.namespace={self.name}")
        poll(lambda: docker("ps", "--all", "--quiet", *ours), lambda found: not found, 120)
        volumes = docker("volume", "ls", "--quiet", "--filter", f"name={self.name}").split()
        docker("volume", "rm", "--force", *volumes)
        docker("image", "rm", "--force", *self.images)

    def _run(
        self, command: list[str], text: str = "", settings: dict[str, str] | None = None
    ) -> str:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**self._environment, **(settings or {})},
            input=text,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    problem = find_engine_problem()
    if problem:
        pytest.skip(f"no Docker engine: {problem}")
    if docker("info", "--format", "{{.Swarm.LocalNodeState}}").strip() != "inactive":
        pytest.skip("this machine is in a swarm, which is left alone")
    stack = Stack(tmp_path_factory.mktemp("swarm"))
    try:
        stack.prepare()
        stack.deploy(stack.images[0])
        wait_until_all_run(stack)
        stack.make_key()
        yield stack
    finally:
        stack.close()


def wait_until_all_run(stack: Stack) -> None:
    wanted = {"coordinator": "1/1", "worker": "4/4"}
    poll(stack.list_replicas, lambda replicas: replicas == wanted, PATIENCE_SECONDS)


def test_four_replicas_count_primes(stack: Stack) -> None:
    workers = poll(stack.list_workers, lambda found: len(found) == 4)
    assert {worker["slots"] for worker in workers} == {1}
    assert stack.headrace("submit", "primes", "count", "0", "1e9") == f"{PRIMES}\n"


def test_a_job_outlives_a_rolling_update_and_a_drained_node(stack: Stack) -> None:
    before = {worker["id"] for worker in stack.list_workers()}
    naps = stack.folder / "naps.jsonl"
    naps.write_text(f"{NAP_SECONDS}\n" * NAPS)
    submit = stack.start("submit", "map", "time:sleep", str(naps), "--retries", "0")
    try:
        [job] = poll(lambda: find_jobs(stack, "running"), lambda found: len(found) == 1)

        stack.deploy(stack.images[1])
        updated = stack.images[1]
        poll(lambda: stack.has_updated(updated), bool, PATIENCE_SECONDS)
        wait_until_all_run(stack)
        workers = poll(stack.list_workers, lambda found: len(found) == 4)
        assert not before & {worker["id"] for worker in workers}
        assert submit.poll() is None, "the job is too short for this machine"

        node = stack.find_node()
        docker("node", "update", "--availability", "drain", node)
        poll(stack.list_images, lambda found: not found, PATIENCE_SECONDS)
        docker("node", "update", "--availability", "active", node)
        wait_until_all_run(stack)
        out, err = submit.communicate(timeout=PATIENCE_SECONDS)
    finally:
        submit.kill()
        submit.wait()
    assert submit.returncode == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["index"] for line in lines] == list(range(NAPS))
    # With no retries, a task whose attempt was lost would have failed.
    [ended] = find_jobs(stack, "succeeded", job["id"])
    assert (ended["done"], ended["failed"]) == (NAPS, 0)


def find_jobs(stack: Stack, state: str, name: str = "") -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = json.loads(stack.headrace("jobs", "--json"))
    return [job for job in jobs if job["state"] == state and name in job["id"]]
