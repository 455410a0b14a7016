"""M6: how a coordinator's cost grows with tasks, workers and jobs.

``python -m benchmarks.growth [--quick]`` prints a line of JSON, as ``benchmarks.drive`` does, and a
table on standard error. A coordinator as in production, workers that do no work (see ``crowd``),
and a client in this process. Jobs of three kinds run from their submission until the client has
every value and has deleted them:

    derived   ``Cluster.submit`` of tasks for which their index is enough
    carried   ``Cluster.submit`` of tasks with an input each
    stream    ``Pool.imap_unordered``: inputs stream in while results stream out

Before them the workers are idle for a while, which has its cost as well. One job runs again beside
many others: some have ended and are kept, and of as many the inputs are still to come. And memory
is looked at after large derived jobs have ended and are kept, and while carried tasks wait.

Cost is CPU time of the coordinator's process, which others disturb less than time on the wall. It
is told by task and by lease: toward a job's end leases become small so that no slot idles, so a
small job with many workers has more of them for each task.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import headrace
from benchmarks.crowded_cluster import QUIET_SECONDS, CrowdedCluster
from benchmarks.line import take
from benchmarks.measures import Figures
from benchmarks.tasks import noop
from headrace.submission import make_job_spec
from headrace_services.service import Plan
from headrace_wire.batch import pack_batch

#: The bytes of a carried input.
INPUT = bytes(8)

#: A job of fewer tasks is run again until there were so many; the cheapest run counts.
LEAST_TASKS = 30_000

#: The workers and the tasks of the job beside which there are many others, and how many.
BESIDE_WORKERS, BESIDE_TASKS = 4, 100_000
OTHER_JOBS = 500

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: every kind with every number of workers and tasks."""

    workers: tuple[int, ...]
    tasks: dict[str, tuple[int, ...]]
    #: Tasks that wait while memory is looked at, put in large batches and one by one.
    waiting_tasks: int
    single_puts: int


FULL = Extent(
    workers=(1, 4, 16, 64),
    tasks={
        "derived": (10_000, 100_000, 1_000_000),
        "carried": (10_000, 100_000, 1_000_000),
        "stream": (10_000, 100_000),
    },
    waiting_tasks=1_000_000,
    single_puts=20_000,
)
QUICK = Extent(
    workers=(4, 64),
    tasks={"derived": (10_000, 100_000), "carried": (10_000, 100_000), "stream": (10_000,)},
    waiting_tasks=200_000,
    single_puts=5_000,
)


@dataclass(frozen=True, slots=True)
class Point:
    """What one job cost."""

    kind: str
    workers: int
    tasks: int
    cpu_seconds: float
    wall_seconds: float
    leases: float
    remark: str = ""

    def list_figures(self) -> Figures:
        name = f"{self.kind}_{self.workers}_workers_{self.tasks}_tasks"
        if self.remark:
            name = f"{name}_{self.remark}"
        return {
            f"{name}_us_per_task": self.cpu_seconds / self.tasks * 1e6,
            f"{name}_us_per_lease": self.cpu_seconds / max(self.leases, 1.0) * 1e6,
            f"{name}_tasks_per_second": self.tasks / self.wall_seconds,
        }

    def __str__(self) -> str:
        per_task, per_lease, rate = self.list_figures().values()
        return (
            f"{self.kind:8} {self.workers:3} workers {self.tasks:9,} tasks: {per_task:6.2f} us/task"
            f" {per_lease:6.0f} us/lease {self.leases:6.0f} leases {rate:9,.0f} tasks/s"
            f"  {self.remark}"
        )


def run(*, quick: bool = False) -> Figures:
    """Measure all of it. The figures' names have the kind, the workers and the tasks in them."""
    extent = QUICK if quick else FULL
    costs: Figures = {}
    others: Figures = {}
    for workers in extent.workers:
        with CrowdedCluster(workers) as ground:
            others |= _measure_idle(ground)
            for kind, sizes in extent.tasks.items():
                for tasks in sizes:
                    costs |= _measure(ground, kind, tasks)
            if workers == BESIDE_WORKERS:
                _add_jobs(ground)
                costs |= _measure(ground, "derived", BESIDE_TASKS, "beside_1000_jobs")
    others |= measure_memory(extent)
    for name, figure in others.items():
        print(f"{name:45} {figure:10.1f}", file=sys.stderr)
    return costs | others


def measure_memory(extent: Extent) -> Figures:
    """How far the coordinator's memory grows with jobs that are there."""
    figures: Figures = {}
    with CrowdedCluster(1) as ground:
        run_derived(ground, extent.tasks["derived"][0])
        before = ground.read_memory_bytes()
        for tasks in extent.tasks["derived"]:
            ground.cluster.submit("growth", Plan("none", {}, tasks)).wait()
            grown = ground.read_memory_bytes() - before
            figures[f"derived_memory_after_{tasks}_tasks_mib"] = grown / MIB
    tasks, single_puts = extent.waiting_tasks, extent.single_puts
    with CrowdedCluster(0) as ground:
        before = ground.read_memory_bytes()
        figures["idle_0_workers_memory_mib"] = before / MIB
        _put_singly(ground, single_puts)
        after = ground.read_memory_bytes()
        figures["singly_put_bytes_per_waiting_task"] = (after - before) / single_puts
        ground.cluster.submit("growth", Plan("none", {}, tasks, itertools.repeat(INPUT, tasks)))
        grown = ground.read_memory_bytes() - after
        figures["carried_bytes_per_waiting_task"] = grown / tasks
    return figures


def run_derived(ground: CrowdedCluster, tasks: int) -> None:
    _see_through(ground.cluster.submit("growth", Plan("none", {}, tasks)), tasks)


def run_carried(ground: CrowdedCluster, tasks: int) -> None:
    inputs = itertools.repeat(INPUT, tasks)
    _see_through(ground.cluster.submit("growth", Plan("none", {}, tasks, inputs)), tasks)


def run_stream(ground: CrowdedCluster, tasks: int) -> None:
    with headrace.Pool(ground.address, key_file=ground.key_file) as pool:
        _check(sum(1 for _ in pool.imap_unordered(noop, range(tasks))) == tasks)


def _put_singly(ground: CrowdedCluster, tasks: int) -> None:
    """Hand in a job as a client does that has its inputs one by one."""
    spec = make_job_spec("growth", "none", {}, None, tasks=None, carried=True)
    jobs = ground.cluster.engine.jobs
    jobs.submit(spec)
    for index in range(tasks):
        jobs.put(spec.id, index, pack_batch([INPUT]))
    jobs.seal(spec.id, tasks)


def _add_jobs(ground: CrowdedCluster) -> None:
    """Have jobs there that have ended and are kept, and as many whose inputs are to come."""
    jobs = ground.cluster.engine.jobs
    for _ in range(OTHER_JOBS):
        ground.cluster.submit("growth", Plan("none", {}, 1)).wait()
        jobs.submit(make_job_spec("growth", "none", {}, None, tasks=None, carried=True))


def _see_through(job: headrace.Job, tasks: int) -> None:
    _check(sum(1 for _ in job.values(ordered=False)) == tasks)
    job.delete()


#: How a job of each kind is run.
KINDS: dict[str, Callable[[CrowdedCluster, int], None]] = {
    "derived": run_derived,
    "carried": run_carried,
    "stream": run_stream,
}


def _measure_idle(ground: CrowdedCluster) -> Figures:
    """What workers take that only wait: microseconds of CPU time each second, and memory."""
    before = ground.read_cpu_seconds()
    memory = ground.read_memory_bytes()
    spent = (ground.read_cpu_seconds() - before) / QUIET_SECONDS
    return {
        f"idle_{ground.workers}_workers_us_per_second": spent * 1e6,
        f"idle_{ground.workers}_workers_memory_mib": memory / MIB,
    }


def _measure(ground: CrowdedCluster, kind: str, tasks: int, remark: str = "") -> Figures:
    points: list[Point] = []
    for _ in range(max(1, LEAST_TASKS // tasks)):
        leases = ground.count_leases()
        cpu, wall = ground.read_cpu_seconds(), time.perf_counter()
        KINDS[kind](ground, tasks)
        cpu, wall = ground.read_cpu_seconds() - cpu, time.perf_counter() - wall
        leases = ground.count_leases() - leases
        points.append(Point(kind, ground.workers, tasks, cpu, wall, leases, remark))
    best = min(points, key=lambda point: point.cpu_seconds)
    print(best, file=sys.stderr, flush=True)
    return best.list_figures()


def _check(right: bool) -> None:
    if not right:
        raise RuntimeError("a value is missing")


def main() -> None:
    take("growth", lambda: run(quick="--quick" in sys.argv[1:]), dict)


if __name__ == "__main__":
    main()
