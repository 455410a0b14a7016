"""A Prometheus that runs for a test, where it is installed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from support.commands import wait_until
from support.places import REPOSITORY

FOLDER = REPOSITORY / "monitoring" / "prometheus"

#: Seconds from one scrape to the next, and from one look at the rules to the next.
INTERVAL = "500ms"

#: Seconds for an answer, and for its end.
PATIENCE_SECONDS = 30


class Prometheus:
    """One that answers."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=PATIENCE_SECONDS):
                return True
        except OSError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """One ``{"metric": labels, "value": [time, text]}`` a series."""
        url = f"{self._url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


@contextlib.contextmanager
def open_prometheus(folder: Path, target: str) -> Generator[Prometheus]:
    """One with the project's own configuration, but for the target and how often it looks."""
    found = shutil.which("prometheus")
    if found is None:
        pytest.skip("Prometheus is not installed")
    config = (FOLDER / "prometheus.yml").read_text()
    for given, wanted in (
        ("coordinator:7380", target),
        ("scrape_interval: 5s", f"scrape_interval: {INTERVAL}"),
        ("evaluation_interval: 15s", f"evaluation_interval: {INTERVAL}"),
    ):
        assert given in config
        config = config.replace(given, wanted)
    shutil.copytree(FOLDER, folder / "prometheus")
    file = folder / "prometheus" / "prometheus.yml"
    file.write_text(config)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    with (folder / "prometheus.log").open("wb") as output:
        process = subprocess.Popen(
            [
                found,
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'prometheus' / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "GOMAXPROCS": "2"},
        )
    try:
        prometheus = Prometheus(port)
        wait_until(lambda: process.poll() is not None or prometheus.is_ready())
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        yield prometheus
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)
