"""The measures that every system takes: M1 to M5."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import psutil

from benchmarks.systems.system import SLOTS, System
from benchmarks.tasks import echo, noop, sieve

#: A measure's figures, by name with their unit in it.
Figures = dict[str, float]

#: Seconds that a measure of throughput should take, at least half of them.
SECONDS = 2.0

#: Tasks of the first trial, and at most.
FIRST_TASKS, MOST_TASKS = 200, 600_000

#: Calls whose latency is looked at, and before them calls to warm up.
CALLS, WARM_CALLS = 400, 20

#: Seconds that the calls may take in all.
CALLS_SECONDS = 8.0

#: Payloads there and back, and the bytes of each.
PAYLOADS, PAYLOAD_BYTES = 200, 1 << 20

#: Tasks of the sieve.
SIEVE_TASKS = 400

#: Seconds after the start when idle memory is looked at.
IDLE_SECONDS = 1.0


def measure_stream(system: System) -> Figures:
    """M1: no-op tasks per second, one by one, each result in this process."""

    def run(count: int) -> None:
        _check(sum(1 for _ in system.stream(noop, range(count))) == count)

    return {"tasks_per_second": _find_rate(run)}


def measure_map(system: System) -> Figures:
    """M1b: no-op tasks per second by the quickest means for many."""

    def run(count: int) -> None:
        _check(system.map(noop, range(count))[-1] == count - 1)

    return {"tasks_per_second": _find_rate(run)}


def measure_latency(system: System) -> Figures:
    """M2: milliseconds from handing in one task to having its result, nothing else going on."""
    for number in range(WARM_CALLS):
        system.call(noop, number)
    times: list[float] = []
    deadline = time.perf_counter() + CALLS_SECONDS
    while len(times) < CALLS and time.perf_counter() < deadline:
        begin = time.perf_counter()
        system.call(noop, len(times))
        times.append((time.perf_counter() - begin) * 1e3)
    ranks = statistics.quantiles(times, n=100)
    return {"p50_ms": ranks[49], "p99_ms": ranks[98]}


def measure_payload(system: System) -> Figures:
    """M3: megabytes (10^6 bytes) per second, there and back, in tasks of 1 MiB each way."""
    payloads = [os.urandom(PAYLOAD_BYTES) for _ in range(PAYLOADS)]
    begin = time.perf_counter()
    size = sum(len(value) for value in system.stream(echo, payloads))
    seconds = time.perf_counter() - begin
    _check(size == PAYLOADS * PAYLOAD_BYTES)
    return {"mb_per_second": 2 * size / 1e6 / seconds}


def measure_sieve(system: System) -> Figures:
    """M4: the speed-up over one process, per slot, with tasks of a few milliseconds."""
    tasks = range(SIEVE_TASKS)
    sieve(0)
    begin = time.perf_counter()
    expected = [sieve(index) for index in tasks]
    serial_seconds = time.perf_counter() - begin
    system.map(sieve, range(2 * SLOTS))
    begin = time.perf_counter()
    counts = system.map(sieve, tasks)
    seconds = time.perf_counter() - begin
    _check(counts == expected)
    return {
        "efficiency": serial_seconds / seconds / SLOTS,
        "task_ms": serial_seconds / SIEVE_TASKS * 1e3,
    }


def measure_memory(system: System) -> Figures:
    """M5: what all its idle processes have in memory, shared pages shared out, in MiB."""
    time.sleep(IDLE_SECONDS)
    size = 0
    roots = system.list_roots()
    mine = psutil.Process()
    processes = [psutil.Process(number) for number in roots] if roots else mine.children()
    for process in processes:
        for each in [process, *process.children(recursive=True)]:
            size += each.memory_full_info().pss
    return {"pss_mib": size / (1 << 20)}


#: The measure that a system's start is.
START = "start"

#: Every measure that is taken of a running system, in this order.
MEASURES: dict[str, Callable[[System], Figures]] = {
    "memory": measure_memory,
    "latency": measure_latency,
    "stream": measure_stream,
    "map": measure_map,
    "payload": measure_payload,
    "sieve": measure_sieve,
}


def _find_rate(run: Callable[[int], None]) -> float:
    """Tasks per second of a run that is long enough to tell."""
    # What a system makes when it is first used so is not what is measured.
    run(2 * SLOTS)
    count = FIRST_TASKS
    while True:
        begin = time.perf_counter()
        run(count)
        seconds = time.perf_counter() - begin
        if seconds >= SECONDS / 2 or count == MOST_TASKS:
            return count / seconds
        count = min(MOST_TASKS, max(count * 2, int(count / seconds * SECONDS)))


def _check(right: bool) -> None:
    if not right:
        raise RuntimeError("the system gave a wrong result")
