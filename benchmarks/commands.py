"""Whole commands timed against each other, in turn, as people type them.

    compare ─► run_once(headrace), run_once(peer), run_once(headrace), ... ─► Results ─► print_table

What disturbs the machine disturbs neighbours alike, and medians are compared. CPU seconds are those
of the command and its children, and of the processes that work for it elsewhere.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.measures import Figures
from benchmarks.systems.headrace_cluster import HeadraceCluster
from benchmarks.systems.processes import ROOT
from benchmarks.tasks import noop

#: Figures of each run, by system.
Runs = dict[str, list[Figures]]

#: Runs by measure.
Results = dict[str, Runs]

#: Where files of the benchmarks are, beside the repository's other build products.
SCRATCH = ROOT / ".bench"

#: The system that the others are compared with.
HEADRACE = "headrace"


@dataclass(frozen=True, slots=True)
class Command:
    """A command line; a text is the shell's.

    ``output`` is the file or folder that it makes, removed before each run; with ``captured`` its
    standard output goes there. ``processes`` are the roots of what works for it elsewhere.
    """

    line: Sequence[str] | str
    output: Path | None = None
    captured: bool = False
    folder: Path = ROOT
    environment: Mapping[str, str] | None = None
    processes: Sequence[int] = ()


@contextmanager
def open_cluster() -> Iterator[HeadraceCluster]:
    """A coordinator and a worker with two slots, up and warm, for commands to submit to."""
    cluster = HeadraceCluster()
    try:
        cluster.start()
        cluster.call(noop, 0)
        yield cluster
    finally:
        cluster.stop()


def make_headrace_command(
    cluster: HeadraceCluster, arguments: Sequence[str], output: Path | None = None
) -> Command:
    """``headrace`` with these arguments, told of the cluster by its environment."""
    return Command(
        (str(Path(sys.executable).with_name("headrace")), *arguments),
        output,
        environment={
            "HEADRACE_COORDINATOR": cluster.address,
            "HEADRACE_KEY_FILE": str(cluster.key_file),
        },
        processes=cluster.list_roots(),
    )


def compare(commands: Mapping[str, Command], rounds: int, most_seconds: float) -> Runs:
    """Run each command once a round, the order reversed in every other one.

    A command that has had its share of ``most_seconds`` is left out of further rounds.
    """
    runs: Runs = {name: [] for name in commands}
    share = most_seconds / len(commands)
    for number in range(rounds):
        for name in list(commands)[:: -1 if number % 2 else 1]:
            if sum(each["seconds"] for each in runs[name]) < share:
                runs[name].append(run_once(commands[name]))
    return runs


def run_once(command: Command) -> Figures:
    """Seconds and CPU seconds of one run. Raises CalledProcessError with what it said."""
    SCRATCH.mkdir(exist_ok=True)
    if command.output is not None:
        clear(command.output)
    before = _sum_cpu_seconds(command.processes)
    begin = time.perf_counter()
    with (command.output or Path(os.devnull)).open("wb") if command.captured else _nowhere() as out:
        process = subprocess.Popen(
            command.line,
            shell=isinstance(command.line, str),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            cwd=command.folder,
            env=os.environ | dict(command.environment or {}),
        )
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command.line, stderr=told)
    elsewhere = _sum_cpu_seconds(command.processes) - before
    return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime + elsewhere}


def clear(path: Path) -> None:
    """Remove a file, or what is in a folder."""
    if path.is_dir():
        shutil.rmtree(path)
        path.mkdir()
    else:
        path.unlink(missing_ok=True)


def print_table(results: Results) -> None:
    """Medians of each system, and how many times headrace's they are."""
    print(f"{'':<36} {'system':<22} {'runs':>4} {'s':>8} {'CPU s':>8} {'x headrace':>11}")
    for measure, runs in results.items():
        own = _median(runs[HEADRACE], "seconds")
        for system, figures in runs.items():
            seconds, cpu = _median(figures, "seconds"), _median(figures, "cpu_seconds")
            ratio = "" if system == HEADRACE else f"{seconds / own:.2f}"
            print(
                f"{measure:<36} {system:<22} {len(figures):>4} {seconds:>8.3f} {cpu:>8.3f} "
                f"{ratio:>11}"
            )


def read_output(*line: str) -> str:
    """What a command says. Raises CalledProcessError."""
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout


@contextmanager
def _nowhere() -> Iterator[int]:
    yield subprocess.DEVNULL


def _median(figures: Sequence[Figures], name: str) -> float:
    return statistics.median(each[name] for each in figures)


def _sum_cpu_seconds(roots: Sequence[int]) -> float:
    total = 0.0
    for root in roots:
        process = psutil.Process(root)
        for each in [process, *process.children(recursive=True)]:
            times = each.cpu_times()
            total += times.user + times.system
    return total
