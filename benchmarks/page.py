"""What open pages cost: ``python -m benchmarks.page [ROUNDS]``.

    here     calls without end ─► coordinator ◄─► worker with two slots, or a crowd (see ``crowd``)
    browsers 20 pages: a stream each ─────────► coordinator           a process of its own

A cluster works all the time, and what it does is counted in windows of some seconds: without pages,
with 20 of them, without, and with 20 that are never read, round after round. Prints medians, the
ratio of each round's window with pages to the mean of its two windows without, and that of those
two windows, which is the noise. So it is with the coordinator's CPU time for a task, which others
disturb less. The browsers are on the same machine, and take their part of it.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, cycle
from pathlib import Path
from typing import NamedTuple, Self

from benchmarks.crowded_cluster import CrowdedCluster, read_cpu_seconds
from benchmarks.systems.headrace_cluster import HeadraceCluster
from benchmarks.systems.processes import ROOT
from benchmarks.tasks import noop, sieve
from headrace_services.service import Plan

#: Rounds when nothing is said.
ROUNDS = 5

#: Pages that are open.
PAGES = 20

#: Seconds of a window, and those before it in which nothing is counted.
WINDOW_SECONDS, SETTLING_SECONDS = 4.0, 1.0

#: Tasks of the job that is looked at, when it begins to be.
TASKS = 100_000

#: What a window is with, in the order of a round.
NONE, OPEN, STALLED = "none", "open", "stall"
ROUND = (NONE, OPEN, NONE, STALLED)

#: Workers of the crowd, and tasks of its job: more than it can do.
CROWD, CROWD_TASKS = 64, 1_000_000_000

#: What a cluster is given to do without end: each yields as something is done.
LOADS: dict[str, Callable[[HeadraceCluster], Iterator[object]]] = {
    "no-op tasks, one by one, tasks/s": lambda one: one.pool.imap_unordered(noop, count()),
    "tasks of 1 to 5 ms, tasks/s": lambda one: one.pool.imap_unordered(sieve, cycle(range(400))),
    "one `apply` after another, calls/s": lambda one: (one.call(noop, 0) for _ in count()),
}

#: What is done at the end of a window, and the coordinator's CPU seconds.
Reading = tuple[float, float]


class Load:
    """Gives a cluster more to do as long as it is not left, and counts what is done."""

    def __init__(self, done: Iterator[object]) -> None:
        self._done = done
        self.count = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def wait(self, tasks: int) -> None:
        """Wait until so much is done."""
        while self.count < tasks:
            time.sleep(0.1)

    def _work(self) -> None:
        for _ in self._done:
            self.count += 1
            if self._is_over.is_set():
                return


class Browsers:
    """The process with the pages. ``http`` is where they are."""

    def __init__(self, http: str, key_file: Path) -> None:
        token = key_file.with_name("observer.key")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.browsers", http, str(token), str(PAGES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def tell(self, what: str) -> None:
        """Have something done. Raises RuntimeError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise RuntimeError("the browsers are gone")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Window(NamedTuple):
    """What was counted in one."""

    rate: float
    cpu_seconds: float


def look(read: Callable[[], Reading]) -> Window:
    """Count for a while: what is done a second, and CPU seconds for each."""
    time.sleep(SETTLING_SECONDS)
    begun, (done, cpu) = time.perf_counter(), read()
    time.sleep(WINDOW_SECONDS)
    seconds, (more, spent) = time.perf_counter() - begun, read()
    return Window((more - done) / seconds, (spent - cpu) / max(1.0, more - done))


def run_rounds(
    rounds: int, browsers: Browsers, job: str, read: Callable[[], Reading]
) -> list[list[Window]]:
    """The windows of so many rounds, with pages of a job."""
    found: list[list[Window]] = []
    for _ in range(rounds):
        windows: list[Window] = []
        for what in ROUND:
            if what != NONE:
                browsers.tell(f"{what} {job}")
            windows.append(look(read))
            if what != NONE:
                browsers.tell("close")
        found.append(windows)
    return found


def measure_cluster(rounds: int) -> None:
    """A whole cluster, with what calls give it to do."""
    with contextlib.ExitStack() as stack:
        cluster = HeadraceCluster()
        stack.callback(cluster.stop)
        cluster.start()
        coordinator = cluster.list_roots()[0]
        browsers = Browsers(cluster.http, cluster.key_file)
        stack.callback(browsers.stop)
        client = cluster.pool.cluster
        ended = client.map(noop, range(TASKS))
        ended.wait()
        for number, (name, run) in enumerate(LOADS.items()):
            with Load(run(cluster)) as load:
                job = ended.id
                if not number:  # a job that runs is looked at where it is large soon
                    load.wait(TASKS)
                    (job,) = (one.id for one in client.jobs(states=["running"]))
                read = partial(_read_load, load, coordinator)
                print_line(name, run_rounds(rounds, browsers, job, read))
            for one in client.jobs(states=["running"]):
                client.job(one.id).cancel()


def measure_crowd(rounds: int) -> None:
    """A coordinator that has more to do than it can."""
    with CrowdedCluster(CROWD) as ground:
        job = ground.cluster.submit("growth", Plan("none", {}, CROWD_TASKS))
        browsers = Browsers(ground.http, ground.key_file)
        try:
            found = run_rounds(
                rounds, browsers, job.id, lambda: (job.refresh().done, ground.read_cpu_seconds())
            )
        finally:
            browsers.stop()
        print_line(f"no-op tasks of a crowd of {CROWD} workers, tasks/s", found)


def _read_load(load: Load, coordinator: int) -> Reading:
    return load.count, read_cpu_seconds(coordinator)


def print_line(name: str, found: list[list[Window]]) -> None:
    """A line of the table."""
    rates = [[window.rate for window in windows] for windows in found]
    costs = [[window.cpu_seconds for window in windows] for windows in found]
    plain = statistics.median(windows[0] for windows in rates)
    print(
        f"| {name} | {plain:,.0f} | {' | '.join(_compare(rates) + _compare(costs))} |", flush=True
    )


def _compare(found: list[list[float]]) -> list[str]:
    """Ratios with pages, with pages that are not read, and of windows without."""
    ratios = [
        (opened * 2 / (first + second), stalled * 2 / (first + second), second / first)
        for first, opened, second, stalled in found
    ]
    return [
        f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"
        for each in zip(*ratios, strict=True)
    ]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    names = [f"{PAGES} pages", "not read", "noise"]
    names += [f"CPU, {name}" for name in names]
    print(f"| measure | no page | {' | '.join(names)} |")
    print("| --- | ---: |" + " --- |" * 6)
    measure_cluster(rounds)
    measure_crowd(rounds)


if __name__ == "__main__":
    main()
