"""What one coordinator carries: a thousand workers with ten thousand slots, and what they ask.

``python -m benchmarks.scale [--workers 1000] [--slots 10]`` prints tables in Markdown, in about two
minutes, and with ``--page`` puts them into docs/scale.md. A coordinator as in production, with
workers that speak as ours do and whose slots do nothing (see ``crowd``): all of them share the
machine with it, so what it prints is less than a coordinator carries that has a machine to itself.

    crowd (2 processes, 3 connections for each worker) ─┐
    loads: jobs that are submitted here ────────────────┼─► coordinator ◄─ Prober: `info`, for ever
    views: what people and Prometheus look at ──────────┘
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

import headrace
from benchmarks import readme
from benchmarks.crowded_cluster import QUIET_SECONDS, CrowdedCluster
from benchmarks.idle_slots import ECHO, NAP, NONE
from benchmarks.machine import describe_machine
from benchmarks.systems.processes import ROOT
from benchmarks.tables import format_number
from headrace_services.service import Plan

if TYPE_CHECKING:
    from headrace.async_job import AsyncJob

#: The service of the jobs: what the crowd offers, and nobody else has.
SERVICE = "growth"

#: More tasks than there is time for.
MANY_TASKS = 1_000_000_000

#: Seconds for which each load is looked at, and before that until it runs as it will.
LOAD_SECONDS, RAMP_SECONDS = 6.0, 3.0

#: How long the tasks of each load hold their slot, in seconds.
NAPS = (10.0, 1.0, 0.1, 0.01)

#: Seconds between two calls of the prober.
PROBE_SECONDS = 0.01

#: Small jobs: how many in all, with how many tasks each, and how many clients submit them.
SMALL_JOBS, SMALL_JOB_TASKS, CLIENTS = 1000, 10, 20

#: Jobs that are kept while views are looked at, and how often each view is.
KEPT_JOBS, LOOKS = 1000, 5

#: How long the tasks hold their slot that run while views are looked at.
VIEWED_SECONDS = 1.0

#: Bytes of each input and value, and of all inputs of a job.
PAYLOADS = {"1 MiB": 1 << 20, "64 KiB": 64 << 10}
PAYLOAD_BYTES = 400 << 20

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Load:
    """How the coordinator did under one load."""

    name: str
    tasks_per_second: float
    busy_share: float | None
    leases_per_second: float
    cpu_share: float
    memory_mib: float
    answer_ms: Sequence[float]
    silent_seconds: float

    def list_cells(self) -> list[str]:
        ordered = sorted(self.answer_ms)
        answers = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
        return [
            self.name,
            format_number(self.tasks_per_second),
            "" if self.busy_share is None else f"{self.busy_share:.3f}",
            format_number(self.leases_per_second),
            f"{self.cpu_share:.2f}",
            format_number(self.memory_mib),
            ", ".join(format_number(answer) for answer in answers),
            format_number(self.silent_seconds),
        ]


LOAD_HEAD = (
    "load", "tasks/s", "slots busy", "leases/s", "coordinator's share of a core", "memory, MiB",
    "an answer: median, 99th percentile, slowest, ms", "longest silence of a worker, s",
)  # fmt: skip


class Prober:
    """A client that asks for ``info`` all the time, and notes how long each answer takes."""

    def __init__(self, ground: CrowdedCluster) -> None:
        self.answer_ms: list[float] = []
        self._done = threading.Event()
        self._cluster = headrace.Cluster(ground.address, key_file=ground.key_file)
        self._thread = threading.Thread(target=self._probe)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self._cluster.close()

    def _probe(self) -> None:
        while not self._done.wait(PROBE_SECONDS):
            begun = time.perf_counter()
            self._cluster.engine.jobs.info()
            self.answer_ms.append((time.perf_counter() - begun) * 1e3)


def measure_naps(ground: CrowdedCluster, seconds: float) -> Load:
    """Tasks that hold a slot for so long, in a job that has more of them than there is time for."""
    plan = Plan(NAP, {"seconds": seconds}, MANY_TASKS)
    return _measure_job(ground, f"{MANY_TASKS:,} tasks of {seconds:g} s", plan, seconds)


def measure_flood(ground: CrowdedCluster) -> Load:
    """Tasks that have their outcome at once: as many as the coordinator gives away."""
    return _measure_job(ground, f"{MANY_TASKS:,} tasks that do nothing", Plan(NONE, {}, MANY_TASKS))


def _measure_job(
    ground: CrowdedCluster, name: str, plan: Plan, seconds: float | None = None
) -> Load:
    job = ground.cluster.submit(SERVICE, plan)
    # What is longer than the others begins together, and should not end so.
    time.sleep(RAMP_SECONDS + (seconds or 0.0))
    with _measured(ground, name) as measured:
        before = job.refresh()
        begun = time.perf_counter()
        time.sleep(max(LOAD_SECONDS, 1.0 * (seconds or 0.0)))
        after, took = job.refresh(), time.perf_counter() - begun
        measured.tasks = after.done - before.done
        if seconds:
            slots = ground.workers * ground.slots
            measured.busy_share = measured.tasks * seconds / (slots * took)
    job.delete()
    return measured.load


@dataclass
class _Measured:
    tasks: float = 0.0
    busy_share: float | None = None
    loads: list[Load] = field(default_factory=list[Load])

    @property
    def load(self) -> Load:
        return self.loads[0]


@contextmanager
def _measured(ground: CrowdedCluster, name: str) -> Iterator[_Measured]:
    """Measure the coordinator meanwhile; the body says how many tasks were done."""
    measured = _Measured()
    leases, counted_at = ground.count_leases(), time.perf_counter()
    with Prober(ground) as prober:
        cpu, begun = ground.read_cpu_seconds(), time.perf_counter()
        yield measured
        took, cpu = time.perf_counter() - begun, ground.read_cpu_seconds() - cpu
    leases = ground.count_leases() - leases
    counted_seconds = time.perf_counter() - counted_at
    silent = max(worker.heard_seconds for worker in ground.cluster.workers())
    measured.loads.append(
        Load(
            name,
            measured.tasks / took,
            measured.busy_share,
            leases / counted_seconds,
            cpu / took,
            ground.process.memory_info().rss / MIB,
            prober.answer_ms,
            silent,
        )
    )


def measure_small_jobs(ground: CrowdedCluster) -> Load:
    """Jobs of a few tasks, from their submission until their client has every value."""
    with _measured(ground, f"{SMALL_JOBS:,} jobs of {SMALL_JOB_TASKS} tasks") as measured:
        asyncio.run(_run_small_jobs(ground))
        measured.tasks = SMALL_JOBS * SMALL_JOB_TASKS
    return measured.load


async def _run_small_jobs(ground: CrowdedCluster) -> None:
    async def run_some(numbers: Iterable[int]) -> None:
        for _ in numbers:
            job = await cluster.submit(SERVICE, Plan(NONE, {}, SMALL_JOB_TASKS))
            await _see_through(job)

    numbers = iter(range(SMALL_JOBS))
    async with (
        headrace.AsyncCluster(ground.address, key_file=ground.key_file) as cluster,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(CLIENTS):
            group.create_task(run_some(numbers))


async def _see_through(job: AsyncJob) -> None:
    seen = 0
    async for _ in job.values(ordered=False):
        seen += 1
    if seen != SMALL_JOB_TASKS:
        raise RuntimeError("a value is missing")
    await job.delete()


def measure_payloads(ground: CrowdedCluster, name: str, size: int) -> tuple[Load, float]:
    """Bytes there and back: the load, and how many bytes a second went each way."""
    tasks = PAYLOAD_BYTES // size
    inputs = itertools.repeat(bytes(size), tasks)
    with _measured(ground, f"{tasks:,} tasks of {name} there and back") as measured:
        begun = time.perf_counter()
        job = ground.cluster.submit(SERVICE, Plan(ECHO, {}, tasks, inputs))
        if sum(len(value) for _, value in job.values(ordered=False)) != tasks * size:
            raise RuntimeError("a value is missing")
        took = time.perf_counter() - begun
        measured.tasks = tasks
    job.delete()
    return measured.load, PAYLOAD_BYTES / took


def measure_views(ground: CrowdedCluster) -> dict[str, float]:
    """How many milliseconds people and Prometheus wait for what they look at."""

    def scrape() -> None:
        with urllib.request.urlopen(ground.metrics, timeout=60) as answer:
            answer.read()

    cluster = ground.cluster
    views: dict[str, Callable[[], object]] = {
        "info": cluster.engine.jobs.info,
        "the newest 500 jobs": lambda: cluster.jobs(limit=500),
        "workers": cluster.workers,
        "overview": cluster.overview,
        "/metrics": scrape,
    }
    return {name: _time(look) for name, look in views.items()}


def _time(look: Callable[[], object]) -> float:
    took: list[float] = []
    for _ in range(LOOKS):
        begun = time.perf_counter()
        look()
        took.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(took)


class Page:
    """What is printed, to be put into a page as well."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def say(self, line: str) -> None:
        self._lines.append(line)
        click.echo(line)

    def begin_table(self, *head: str) -> None:
        self.say("")
        self.say_row(head)
        self.say("| --- |" + " ---: |" * (len(head) - 1))

    def say_row(self, cells: Iterable[str]) -> None:
        self.say(f"| {' | '.join(cells)} |")

    def write(self, path: Path) -> None:
        """Put it where the last one was."""
        path.write_text(readme.insert(path.read_text(), "\n".join(self._lines)))


@click.command()
@click.option("--workers", type=click.IntRange(1, 2000), default=1000, show_default=True)
@click.option("--slots", type=click.IntRange(1, 100), default=10, show_default=True, help="Each.")
@click.option("--page", "is_kept", is_flag=True, help="Put the tables into docs/scale.md.")
def main(*, workers: int, slots: int, is_kept: bool) -> None:
    """Measure what one coordinator carries."""
    page = Page()
    machine = describe_machine()
    page.say(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['kernel']}, Python {machine['python']}, on {datetime.now(UTC):%Y-%m-%d}; "
        f"{workers:,} workers with {workers * slots:,} slots."
    )
    with CrowdedCluster(0) as ground:
        alone_mib = ground.read_memory_bytes() / MIB
    begun = time.perf_counter()
    with CrowdedCluster(workers, slots) as ground:
        arrived = time.perf_counter() - begun
        _look_at_rest(page, ground, arrived, alone_mib)
        _look_at_loads(page, ground)
        _look_at_views(page, ground)
    if is_kept:
        page.write(ROOT / "docs" / "scale.md")


def _look_at_rest(page: Page, ground: CrowdedCluster, arrived: float, alone_mib: float) -> None:
    cpu = ground.read_cpu_seconds()
    memory_mib = ground.read_memory_bytes() / MIB
    cpu = (ground.read_cpu_seconds() - cpu) / QUIET_SECONDS
    page.begin_table("workers that wait", "")
    for row in (
        ("all are there after, s", format_number(arrived)),
        ("coordinator's share of a core", f"{cpu:.2f}"),
        ("memory, MiB", format_number(memory_mib)),
        ("memory without workers, MiB", format_number(alone_mib)),
        ("open descriptors", f"{ground.process.num_fds():,}"),
    ):
        page.say_row(row)


def _look_at_loads(page: Page, ground: CrowdedCluster) -> None:
    page.begin_table(*LOAD_HEAD)
    for seconds in NAPS:
        page.say_row(measure_naps(ground, seconds).list_cells())
    page.say_row(measure_flood(ground).list_cells())
    page.say_row(measure_small_jobs(ground).list_cells())
    rates: dict[str, float] = {}
    for name, size in PAYLOADS.items():
        load, rates[name] = measure_payloads(ground, name, size)
        page.say_row(load.list_cells())
    page.begin_table("values of", "MB/s in, and as many out")
    for name, rate in rates.items():
        page.say_row((name, format_number(rate / 1e6)))


def _look_at_views(page: Page, ground: CrowdedCluster) -> None:
    for _ in range(KEPT_JOBS):
        ground.cluster.submit(SERVICE, Plan(NONE, {}, 1))
    quiet = measure_views(ground)
    job = ground.cluster.submit(SERVICE, Plan(NAP, {"seconds": VIEWED_SECONDS}, MANY_TASKS))
    time.sleep(RAMP_SECONDS)
    busy = measure_views(ground)
    job.delete()
    page.begin_table(
        f"beside {KEPT_JOBS:,} jobs", "quiet, ms", f"beside tasks of {VIEWED_SECONDS:g} s, ms"
    )
    for name, took in quiet.items():
        page.say_row((name, format_number(took), format_number(busy[name])))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.scale")
