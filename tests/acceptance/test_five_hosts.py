"""Five hosts: a coordinator, three workers at different distances, and a client.

    client ─ 40 ms ─┐            ┌─ 2 ms ── a big worker that comes later
                    └ coordinator ─ 200 ms ─ a small one
                                 └─ 40 ms, 10 Mbit/s ── another

Each host is a network namespace; what is between them is a relay that delays, throttles, stalls
and cuts. For root alone, where there are namespaces.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from headrace.cluster import Cluster
from headrace_wire.address import Address
from headrace_wire.key import load_key
from support.chaos.netns import Namespace, NamespaceError
from support.chaos.processes import PlacedShell
from support.commands import Process
from support.distance import Line
from support.places import REPOSITORY

TESTS = str(REPOSITORY / "tests")
LEASE_SECONDS = 6.0
SLOW_BYTES_PER_SECOND = 10e6 / 8
PROGRAM = "import sys; from support.distance_tasks import main; main(*sys.argv[1:])"

pytestmark = pytest.mark.xdist_group("distance")


class Hosts:
    """The hosts, and what runs there."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.key_file = folder / "data" / "key"
        place = self._open_place()
        shell = self._make_shell(place)
        self.coordinator = Process(
            shell, "coordinator", "--bind", f"{place.peer}:0", "--data", folder / "data",
            "--no-http", "--lease", f"{LEASE_SECONDS}s",
        )  # fmt: skip
        stack.callback(self.coordinator.stop)
        port = int(self.coordinator.wait_for("queues at").rpartition(":")[2])
        self._target = Address(place.peer, port)

    def add_worker(
        self, name: str, slots: int, round_trip: float, rate: float | None = None
    ) -> tuple[Line, str]:
        """Start one at the end of a line; returns the line, and how the host is called."""
        place, line = self._open_line(round_trip, rate)
        worker = Process(
            self._make_shell(place), "worker", "--name", name, "--slots", str(slots),
            "--coordinator", f"{place.host}:{line.address.port}", "--key-file", self.key_file,
            "--allow", "support.distance_tasks", "--path", TESTS, "--drain", "0s",
        )  # fmt: skip
        self._stack.callback(worker.stop)
        worker.wait_for("coordinator 10.")
        return line, str(Path(f"/proc/{worker.pid}/ns/net").readlink())

    def start_client(self, round_trip: float) -> subprocess.Popen[str]:
        place, line = self._open_line(round_trip, None)
        client = subprocess.Popen(
            [*place.prefix, sys.executable, "-c", PROGRAM,
             f"{place.host}:{line.address.port}", str(self.key_file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": TESTS},
        )  # fmt: skip
        self._stack.enter_context(client)
        self._stack.callback(client.terminate)
        return client

    def open_cluster(self) -> Cluster:
        return self._stack.enter_context(Cluster(self._target, load_key(self.key_file)))

    def _open_line(self, round_trip: float, rate: float | None) -> tuple[Namespace, Line]:
        place = self._open_place()
        line = Line(self._target, round_trip, rate, place.host)
        return place, self._stack.enter_context(line)

    def _open_place(self) -> Namespace:
        place = Namespace()
        self._stack.callback(place.remove)
        return place

    def _make_shell(self, place: Namespace) -> PlacedShell:
        return PlacedShell(self._folder, prefix=place.prefix)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    with contextlib.ExitStack() as stack:
        try:
            opened = Hosts(tmp_path, stack)
        except NamespaceError as error:
            pytest.skip(f"network namespaces cannot be had: {error}")
        yield opened


def ask(client: subprocess.Popen[str], *about: float) -> list[Any]:
    """Have the client have tasks done; each is done once, with the right value."""
    assert client.stdin
    assert client.stdout
    client.stdin.write(json.dumps(about) + "\n")
    client.stdin.flush()
    told: list[Any] = json.loads(client.stdout.readline())
    assert sorted(index for index, *_ in told) == list(range(int(about[0])))
    assert all(right for *_, right in told)
    return told


def find_pause(told: list[Any], host: str) -> float:
    """How long a slot of a host waits between two tasks, mostly."""
    begun_at: dict[int, list[tuple[float, float]]] = {}
    for _, where, process, begun, ended, _ in told:
        if where == host:
            begun_at.setdefault(process, []).append((begun, ended))
    pauses: list[float] = []
    for times in map(sorted, begun_at.values()):
        pauses += [b[0] - a[1] for a, b in itertools.pairwise(times)]
    return median(pauses)


def test_slots_far_away_are_busy_nothing_is_lost_and_heartbeats_come_through(hosts: Hosts) -> None:
    far, far_host = hosts.add_worker("far", 2, 0.2)
    slow, slow_host = hosts.add_worker("slow", 1, 0.04, SLOW_BYTES_PER_SECOND)
    client = hosts.start_client(0.04)
    ask(client, 40, 0.05, 4)
    told = ask(client, 90, 0.1, 4)
    # Where work is asked for when a slot is free, each pause is a round trip at least.
    assert find_pause(told, far_host) < 0.05
    assert find_pause(told, slow_host) < 0.04

    near, near_host = hosts.add_worker("near", 3, 0.002)
    cluster = hosts.open_cluster()
    silence: defaultdict[str, float] = defaultdict(float)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            for one in cluster.workers():
                silence[one.name] = max(silence[one.name], one.heard_seconds)

    with ThreadPoolExecutor(2) as threads:
        watching = threads.submit(watch)
        try:
            working = threads.submit(ask, client, 60, 0.05, 256 << 10)
            near.stall()
            far.cut()
            over.wait(1.0)
            near.heal()
            slow.cut()
            told = working.result(120)
        finally:
            over.set()
        watching.result(20)
    assert {host for _, host, *_ in told} >= {near_host, slow_host}
    # Heartbeats of the slow host passed through its line beside a megabyte of values a second;
    # those of the others were cut off and held back for a while.
    assert silence["slow"] < LEASE_SECONDS / 2
    assert max(silence.values()) < LEASE_SECONDS
