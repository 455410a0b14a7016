"""compose.yaml as a project of its own: name, image, ports, key and files are nobody else's."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from support.compose_engine import REPOSITORY

#: Nothing that is run here takes longer, in seconds; a build without a cache takes longest.
PATIENCE_SECONDS = 150.0

#: Seconds between looks at what tells nobody when it changes: Prometheus after a scrape.
LOOK_SECONDS = 0.25

#: Silence after which this project's coordinator gives a worker's tasks to others.
LEASE = "4s"

#: What alerts are sent to: it prints each message in a line.
RECEIVER = """
import http.server, json
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(json.dumps(message, separators=(",", ":")), flush=True)
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("", 8080), Receiver).serve_forever()
"""

#: The user of the image, when these tests run as root, whom no container should be.
IMAGE_USER = (1000, 1000)

T = TypeVar("T")


class ComposeProject:
    """A project that is not up yet; ``close`` removes all that it made."""

    def __init__(self, folder: Path) -> None:
        self.name = f"headrace-test-{secrets.token_hex(4)}"
        self.key_file = folder / "headrace.key"
        self.files = folder / "files"
        self.files.mkdir()
        self.code = folder / "code"
        self.code.mkdir()
        (self.code / "shop.py").write_text(
            "import headrace\n"
            "def double(number):\n"
            "    headrace.current_task().counter('doubled').add(1)\n"
            "    return 2 * number\n"
        )
        self.user = (os.geteuid(), os.getegid()) if os.geteuid() else IMAGE_USER
        self.ports = {
            name: find_port() for name in ("queues", "http", "prometheus", "alertmanager")
        }
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HEADRACE_", "COMPOSE_"))
        }
        files = [REPOSITORY / "compose.yaml", _change_alertmanager(folder)]
        self._compose_environment = {
            **inherited,
            "COMPOSE_ANSI": "never",
            "COMPOSE_FILE": os.pathsep.join(map(str, files)),
            "COMPOSE_PROGRESS": "plain",
            "COMPOSE_PROJECT_NAME": self.name,
            "HEADRACE_IMAGE": self.name,
            "HEADRACE_REVISION": "c0ffee",
            "HEADRACE_USER": "{}:{}".format(*self.user),
            "HEADRACE_FILES": str(self.files),
            "HEADRACE_CODE": str(self.code),
            "HEADRACE_ALLOW": "shop math:sqrt",
            "HEADRACE_LEASE": LEASE,
            "HEADRACE_PORT": str(self.ports["queues"]),
            "HEADRACE_HTTP_PORT": str(self.ports["http"]),
            "ALERTMANAGER_PORT": str(self.ports["alertmanager"]),
            "COMPOSE_PROFILES": "alerts",
            "PROMETHEUS_PORT": str(self.ports["prometheus"]),
        }
        self._host_environment = {
            **inherited,
            "HEADRACE_COORDINATOR": f"127.0.0.1:{self.ports['queues']}",
            "HEADRACE_KEY_FILE": str(self.key_file),
        }

    def compose(
        self, *arguments: str, expected: int = 0, settings: Mapping[str, str] | None = None
    ) -> str:
        """Run ``docker compose`` in the repository; gives its standard output.

        ``settings`` are environment variables beside the project's own.
        """
        command = ["docker", "compose", *arguments]
        return _run(
            command, REPOSITORY, {**self._compose_environment, **(settings or {})}, expected
        )

    def run_shell(self, commands: str) -> str:
        """Run commands of a page in the repository; gives their standard output."""
        return _run(["sh", "-e", "-c", commands], REPOSITORY, self._compose_environment, 0)

    def start(
        self, workers: int, *services: str, settings: Mapping[str, str] | None = None
    ) -> None:
        """Bring services (all when none is named) up with so many workers, and wait for them."""
        up = ["up", "--detach", "--wait", "--scale", f"worker={workers}", *services]
        self.compose(*up, settings=settings)

    def fetch_key(self) -> None:
        """Copy the key out as the documentation says."""
        self.compose("cp", "coordinator:/key/client.key", str(self.key_file))

    def headrace(self, *arguments: str, expected: int = 0) -> str:
        """Run the command line on this machine, in the project's folder of files."""
        command = [sys.executable, "-m", "headrace", *arguments]
        return _run(command, self.files, self._host_environment, expected)

    def autoscale(self, *arguments: str) -> str:
        """Run ``headrace autoscale`` on this machine beside compose.yaml, as its page says."""
        command = [sys.executable, "-m", "headrace", "autoscale", *arguments]
        return _run(command, REPOSITORY, {**self._compose_environment, **self._host_environment}, 0)

    def cli(self, *arguments: str) -> str:
        """Run the command line in a container of its own."""
        return self.compose("run", "--rm", "-T", "cli", *arguments)

    def list_workers(self) -> list[dict[str, Any]]:
        """The workers as the coordinator knows them."""
        workers: list[dict[str, Any]] = json.loads(self.headrace("workers", "--json"))
        return workers

    def own_files(self) -> None:
        """Give the folder of files, and all in it, to the user of the containers."""
        if os.geteuid() == 0:
            for path in (self.files, *self.files.rglob("*")):
                os.chown(path, *self.user)

    def list_containers(self, service: str) -> list[str]:
        """Ids of a service's containers, whether they run or not."""
        return self.compose("ps", "--all", "--quiet", service).split()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers: one ``{"metric": labels, "value": [time, text]}`` a series."""
        path = f"query?{urllib.parse.urlencode({'query': expression})}"
        series: list[dict[str, Any]] = self.ask_prometheus(path)["result"]
        return series

    def ask_prometheus(self, path: str) -> dict[str, Any]:
        """The data of an answer of Prometheus' HTTP API, version 1."""
        url = f"http://127.0.0.1:{self.ports['prometheus']}/api/v1/{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            document: dict[str, Any] = json.load(answer)
        assert document["status"] == "success"
        data: dict[str, Any] = document["data"]
        return data

    def list_alerts(self) -> set[str]:
        """The names of the alerts that Alertmanager knows to fire."""
        url = f"http://127.0.0.1:{self.ports['alertmanager']}/api/v2/alerts?active=true"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return {alert["labels"]["alertname"] for alert in json.load(answer)}

    @contextlib.contextmanager
    def receive_alerts(self) -> Iterator[Callable[[], list[dict[str, Any]]]]:
        """A program that Alertmanager tells of alerts; gives what returns what it was told."""
        name = f"{self.name}-receiver"
        place = ["--network", f"{self.name}_default", "--network-alias", "receiver"]
        command = ["--entrypoint", "python", self.name, "-c", RECEIVER]
        docker("run", "--detach", "--rm", "--name", name, *place, *command)
        try:
            yield lambda: [json.loads(line) for line in docker("logs", name).splitlines()]
        finally:
            docker("rm", "--force", name)

    def list_leftovers(self) -> list[str]:
        """Ids of this project's containers, volumes and networks that are still there."""
        label = f"label=com.docker.compose.project={self.name}"
        return [
            name
            for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"])
            for name in docker(*kind, "--quiet", "--filter", label).split()
        ]

    def close(self) -> None:
        """Remove containers, volumes, networks and the image; again does no harm."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")
        if docker("image", "ls", "--quiet", self.name).strip():
            docker("image", "rm", "--force", self.name)


def docker(*arguments: str) -> str:
    """Run ``docker``; gives its standard output."""
    return _run(["docker", *arguments], REPOSITORY, dict(os.environ), 0)


def inspect(container: str) -> dict[str, Any]:
    """All that the engine knows of a container."""
    found: list[dict[str, Any]] = json.loads(docker("inspect", container))
    return found[0]


def poll(read: Callable[[], T], accept: Callable[[T], bool], seconds: float = 40.0) -> T:
    """Read until what is read is accepted. Fails with the last of it after so many seconds."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not accept(latest := read()):
        assert time.monotonic() < deadline, f"still not there after {seconds:g} s: {latest}"
        pause.wait(LOOK_SECONDS)
    return latest


def _run(command: list[str], folder: Path, environment: dict[str, str], expected: int) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if done.returncode != expected:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise AssertionError(f"{' '.join(command)} exits with {done.returncode}:\n{end}")
    return done.stdout


def _change_alertmanager(folder: Path) -> Path:
    """Add to compose.yaml that alerts are told at once, to a program, as the comment has it.

    And what an Alertmanager of Debian's needs, whose templates are files: where an image is made of
    its package alone, it does not start without them.
    """
    templates, settings = folder / "templates", folder / "alertmanager"
    for made in (templates, settings):
        made.mkdir()
    for name in ("default.tmpl", "email.tmpl"):
        (templates / name).touch()
    text = (REPOSITORY / "monitoring" / "alertmanager" / "alertmanager.yml").read_text()
    (settings / "alertmanager.yml").write_text(name_receiver(text, "http://receiver:8080/alert"))
    volumes = [
        f"{templates}:/usr/share/prometheus/alertmanager:ro",
        f"{settings}:/etc/alertmanager:ro",
    ]
    file = folder / "alertmanager.yaml"
    file.write_text(json.dumps({"services": {"alertmanager": {"volumes": volumes}}}))
    for path in (folder, templates, settings):
        path.chmod(0o755)
    return file


def name_receiver(settings: str, url: str) -> str:
    """Alertmanager's settings with the receiver `program` of their comment, told at once."""
    block = re.search(r"  # - name: program\n(?:  #   .*\n)+", settings)
    assert block
    text = settings.replace(block[0], block[0].replace("  # ", "  "))
    text, urls = re.subn(r"url: http://192\S+", f"url: {url}", text)
    text, routes = re.subn(r"(?m)^  receiver: nobody$", "  receiver: program", text)
    text, waits = re.subn(r"group_wait: \w+", "group_wait: 1s", text)
    assert (urls, routes, waits) == (1, 1, 1)
    return text


def find_port() -> int:
    """Find a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
