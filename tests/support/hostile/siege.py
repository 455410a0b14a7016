"""A live cluster that works on an honest job while hostile peers do what they can.

Siege.bear(peers, seconds) ─► Row: what was held and refused, how others were served meanwhile,
                                   memory and descriptors before, at most and afterwards
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

from headrace.cluster import Cluster
from headrace.submission import SubmitOptions
from headrace_wire.address import Address, parse_address
from headrace_wire.key import load_key
from headrace_wire.keyring import derive_key
from headrace_wire.roles import CLIENT, WORKER
from support.commands import PROBE, Process, Shell
from support.places import REPOSITORY
from support.probe.headrace_probe import plan_echo

MIB = 1 << 20

#: Seconds that a task of the honest job takes, and the slots that work on it.
TASK_SECONDS = 0.01
SLOTS = 2

#: Seconds of silence after which a worker counts as lost, so that those who never were go soon.
LEASE_SECONDS = 3

#: Seconds for memory and descriptors to come back, and for the honest job to end.
SETTLE_SECONDS = 30.0

#: Seconds between looks at what comes back by itself.
LOOK_SECONDS = 0.05


@dataclass
class Row:
    """What came of it."""

    name: str
    seconds: float
    load: dict[str, dict[str, int]]
    served: dict[str, int]
    tasks: int
    is_right: bool
    memory_mib: tuple[float, float, float]
    files: tuple[int, int, int]
    workers: int
    settled_seconds: float
    log_lines: int
    page_bytes: int
    broken: list[str] = field(default_factory=list)

    def show(self) -> str:
        """One line of the table."""
        told = "; ".join(
            (f"{name}: " if len(self.load) > 1 else "")
            + ", ".join(f"{what} {count:,}" for what, count in counts.items())
            for name, counts in self.load.items()
        )
        before, most, after = self.memory_mib
        milliseconds = {word: count / 1000 for word, count in self.served.items()}
        p50, p99, longest = (milliseconds[word] for word in ("p50", "p99", "most"))
        let_in, kept_out = self.served.get("let in", 0), self.served.get("kept out", 0)
        return " | ".join([
            f"{self.name:<17}",
            f"{p50:5.1f} {p99:6.1f} {longest:7.1f}",
            f"{let_in:4} {kept_out:3} {milliseconds.get('slowest', 0):7.0f}",
            f"{before:5.0f} {most:5.0f} {after:5.0f}",
            f"{self.files[0]:4} {self.files[1]:5} {self.files[2]:4}",
            f"{self.tasks:5} {'right' if self.is_right else 'WRONG'}",
            f"{self.seconds:5.1f} {self.settled_seconds:5.1f}",
            f"{self.log_lines:5} {self.page_bytes / 1000:5.0f}",
            told,
        ])  # fmt: skip


#: What stands above the table's columns.
HEAD = " | ".join([
    f"{'peers':<17}", "answers ms, p50 p99 max", "new: in out ms", "MiB: before most after",
    "files before most after", "honest tasks", "s, s to settle",
    "log lines, kB of metrics", "what the peers did",
])  # fmt: skip


class Gauge:
    """Watches a process: the most that it has of memory and descriptors."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self.most_bytes = self.most_files = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def read(self) -> tuple[int, int]:
        """Bytes of memory, and descriptors."""
        return self._process.memory_info().rss, self._process.num_fds()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            size, files = self.read()
            self.most_bytes = max(self.most_bytes, size)
            self.most_files = max(self.most_files, files)


class Siege:
    """A coordinator, two workers, and somebody who watches."""

    def __init__(self, coordinator: Process, address: Address, http: Address, key: bytes) -> None:
        self.coordinator = coordinator
        self.address = address
        self.http = http
        self._keys = [derive_key(key, WORKER).decode(), derive_key(key, CLIENT).decode()]
        self.cluster = Cluster(address, key)
        self._jobs = 0

    def bear(
        self,
        name: str,
        peers: Sequence[str],
        seconds: float,
        kept_mib: int = 20,
        kept_files: int = 2,
    ) -> Row:
        """Let peers do what they can for so long, and see what comes of it.

        All but ``kept_mib`` of the memory and ``kept_files`` of the descriptors is waited for.
        """
        gauge = Gauge(self.coordinator.pid)
        before, lines = gauge.read(), len(self.coordinator.lines)
        began = time.monotonic()
        values, worker = self._begin_job(seconds)
        with contextlib.ExitStack() as stack:
            stack.enter_context(gauge)
            prober = stack.enter_context(self._run(["prober"]))
            hostile = stack.enter_context(self._run(peers))
            threading.Event().wait(seconds)
            told = hostile.finish()
            measured = prober.finish()
            worker.join(SETTLE_SECONDS)
        ended = time.monotonic()
        after = self._settle(gauge, before, kept_mib, kept_files)
        return Row(
            name=name,
            seconds=ended - began,
            load=told["counts"],
            served=measured["counts"]["prober"],
            tasks=len(values),
            is_right=not worker.is_alive() and values == self._expected,
            memory_mib=(before[0] / MIB, gauge.most_bytes / MIB, after[0] / MIB),
            files=(before[1], max(gauge.most_files, after[1]), after[1]),
            workers=sum(one.name.startswith("honest") for one in self.cluster.workers()),
            settled_seconds=time.monotonic() - ended,
            log_lines=len(self.coordinator.lines) - lines,
            page_bytes=self._measure_page(),
            broken=[*told["broken"], *measured["broken"]],
        )

    def warm_up(self) -> None:
        """Let everything that is loaded once be loaded; note how others are served in peace."""
        values, thread = self._begin_job(0.2)
        with self._run(["prober"]) as prober:
            thread.join(SETTLE_SECONDS)
            self.quiet: dict[str, int] = prober.finish()["counts"]["prober"]
        self._measure_page()
        self.cluster.jobs(past=True)
        with urllib.request.urlopen(f"http://{self.http}/login") as page:
            assert page.status == 200
        assert values == self._expected

    def _begin_job(self, seconds: float) -> tuple[dict[int, bytes], threading.Thread]:
        """Submit a job that takes about as long, and collect its values in a thread."""
        tasks = max(50, int(seconds * SLOTS / TASK_SECONDS))
        self._jobs += 1
        first = self._jobs * 1_000_000
        self._expected = {index: str(first + index).encode() for index in range(tasks)}
        plan = plan_echo(first, tasks, carried=True, sleep_seconds=TASK_SECONDS)
        job = self.cluster.submit("probe", plan, SubmitOptions(name=f"honest {self._jobs}"))
        values: dict[int, bytes] = {}

        def collect() -> None:
            values.update(job.values(ordered=False))
            job.delete()

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        return values, thread

    def _settle(
        self, gauge: Gauge, before: tuple[int, int], kept_mib: int, kept_files: int
    ) -> tuple[int, int]:
        """Wait until memory and descriptors have come back, or do not any more."""
        deadline, pause = time.monotonic() + SETTLE_SECONDS, threading.Event()
        while True:
            after = gauge.read()
            is_back = after[0] < before[0] + kept_mib * MIB and after[1] <= before[1] + kept_files
            if is_back or time.monotonic() > deadline:
                return after
            pause.wait(LOOK_SECONDS)

    def _measure_page(self) -> int:
        with urllib.request.urlopen(f"http://{self.http}/metrics") as page:
            return len(page.read())

    @contextlib.contextmanager
    def _run(self, peers: Sequence[str]) -> Iterator[Peers]:
        words = [*peers, "--address", str(self.address), "--http", str(self.http),
                 "--worker-key", self._keys[0], "--client-key", self._keys[1]]  # fmt: skip
        with Peers(words) as started:
            yield started


class Peers:
    """A process of peers."""

    def __init__(self, words: Sequence[str]) -> None:
        environment = {**_without_settings(), "PYTHONPATH": str(REPOSITORY / "tests")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.hostile", *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        assert self._stdout.readline() == "begun\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._stdout.close()
        with contextlib.suppress(OSError):
            self._stdin.close()

    def finish(self) -> Any:
        """Have them stop, and tell."""
        self._stdin.close()
        return json.loads(self._stdout.readline())


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE")}


@contextlib.contextmanager
def open_siege(folder: Path, files: int | None = None, *options: str) -> Iterator[Siege]:
    """A coordinator that may have so many descriptors, and two workers with a slot each."""
    data = folder / "data"
    shell = Shell(folder, {"HEADRACE_KEY_FILE": str(data / "key"), "PYTHONPATH": str(PROBE)})

    def limit() -> None:
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    coordinator = Process(
        shell, "coordinator", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", data,
        "--lease", f"{LEASE_SECONDS}s", *options, preexec_fn=limit,
    )  # fmt: skip
    workers: list[Process] = []
    try:
        address = parse_address(coordinator.wait_for("queues at").split()[-1])
        page = coordinator.wait_for("metrics at").split()[-1]
        http = parse_address(page.removeprefix("http://").removesuffix("/metrics"))
        shell.settings["HEADRACE_COORDINATOR"] = str(address)
        for number in range(SLOTS):
            name = f"honest-{number}"
            workers.append(Process(shell, "worker", "--slots", "1", "--name", name))
        for worker in workers:
            worker.wait_for("coordinator 127.0.0.1")
        siege = Siege(coordinator, address, http, load_key(data / "key"))
        with siege.cluster:
            siege.warm_up()
            yield siege
    finally:
        for worker in workers:
            worker.stop()
        coordinator.stop()
