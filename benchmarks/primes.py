"""M7: primes against the ``primesieve`` command with two threads.

    python -m benchmarks.primes [--quick | --full]

headrace submits to a coordinator and a worker that are up already. ``find`` writes to a file, as
primesieve's printing does, and the two files have to be the same. They are large: a range of 2e9
numbers, 1 GB of text, stands in for one of 1e10 unless ``--full`` is given.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from benchmarks.commands import (
    HEADRACE,
    SCRATCH,
    Command,
    Results,
    clear,
    compare,
    make_headrace_command,
    open_cluster,
    print_table,
    read_output,
    run_once,
)
from benchmarks.measures import Figures
from benchmarks.systems.headrace_cluster import HeadraceCluster
from benchmarks.systems.system import SLOTS

THREADS = f"-t{SLOTS}"
PRIMESIEVE = f"primesieve {THREADS}"

#: Where ranges start.
STARTS = ("0", "1e15")

#: Numbers in a range that is counted, and in one that is found.
COUNTED, FOUND = "1e10", "2e9"

#: The same where it has to be quick.
QUICKLY_COUNTED, QUICKLY_FOUND = "1e9", "1e8"

#: Rounds of a measure, and seconds that its commands share.
ROUNDS, QUICK_ROUNDS = 7, 3
MOST_SECONDS, MOST_QUICK_SECONDS = 18.0, 3.0


def list_systems() -> dict[str, Callable[[], Figures]]:
    """What runs each command once; see ``benchmarks.whole``."""
    found: dict[str, Callable[[], Figures]] = {HEADRACE: partial(_measure_once, HEADRACE)}
    if shutil.which("primesieve"):
        found[PRIMESIEVE] = partial(_measure_once, PRIMESIEVE)
    return found


def list_versions() -> dict[str, dict[str, str]]:
    if shutil.which("primesieve") is None:
        return {}
    told = read_output("primesieve", "--version")
    return {PRIMESIEVE: {"primesieve": told.split()[1].rstrip(",")}}


def _measure_once(system: str) -> Figures:
    figures: Figures = {}
    with open_cluster() if system == HEADRACE else nullcontext() as cluster:
        if cluster:
            _warm(cluster)
        for start in STARTS:
            counting = _make_counting(cluster, start, COUNTED)[system]
            name = f"count_{_name_range(start, COUNTED)}_seconds"
            figures[name] = run_once(counting)["seconds"]
            finding = _make_finding(cluster, start, FOUND)[system]
            assert finding.output is not None
            try:
                name = f"find_{_name_range(start, FOUND)}_seconds"
                figures[name] = run_once(finding)["seconds"]
            finally:
                clear(finding.output)
    return figures


def _warm(cluster: HeadraceCluster) -> None:
    """Give every slot a first task, for which it loads the primesieve library."""
    run_once(make_headrace_command(cluster, ["submit", "primes", "count", "0", QUICKLY_COUNTED]))


def measure_primes(*, quick: bool = False, full: bool = False) -> Results:
    """Every measure of primes. Raises AssertionError where the two don't make the same."""
    counted = QUICKLY_COUNTED if quick else COUNTED
    found = QUICKLY_FOUND if quick else COUNTED if full else FOUND
    how_often = (QUICK_ROUNDS, MOST_QUICK_SECONDS) if quick else (ROUNDS, MOST_SECONDS)
    results: Results = {}
    with open_cluster() as cluster:
        _warm(cluster)
        bare = {
            HEADRACE: make_headrace_command(cluster, ["submit", "primes", "count", "0", "1"]),
            "headrace --version": make_headrace_command(cluster, ["--version"]),
        }
        results["a job of nothing"] = compare(bare, *how_often)
        for start in STARTS:
            commands = _make_counting(cluster, start, counted)
            results[f"primes count {_name_range(start, counted)}"] = compare(commands, *how_often)
        for start in STARTS:
            commands = _make_finding(cluster, start, found)
            try:
                results[f"primes find {_name_range(start, found)}"] = compare(commands, *how_often)
                outputs = [command.output for command in commands.values() if command.output]
                checksums = {_make_checksum(output) for output in outputs}
                assert len(checksums) == 1, f"the files differ: {outputs}"
            finally:
                for command in commands.values():
                    assert command.output is not None
                    clear(command.output)
    return results


def _make_counting(cluster: HeadraceCluster | None, start: str, numbers: str) -> dict[str, Command]:
    stop = _add(start, numbers)
    commands = {PRIMESIEVE: _make_primesieve_command(start, stop, "--quiet")}
    if cluster:
        arguments = ["submit", "primes", "count", start, stop]
        commands[HEADRACE] = make_headrace_command(cluster, arguments)
    return commands


def _make_finding(cluster: HeadraceCluster | None, start: str, numbers: str) -> dict[str, Command]:
    stop = _add(start, numbers)
    ours, theirs = SCRATCH / "primes-headrace.txt", SCRATCH / "primes-primesieve.txt"
    commands = {PRIMESIEVE: _make_primesieve_command(start, stop, "--print", theirs)}
    if cluster:
        arguments = ["submit", "primes", "find", start, stop, "--output", str(ours)]
        commands[HEADRACE] = make_headrace_command(cluster, arguments, ours)
    return commands


def _add(start: str, numbers: str) -> str:
    return str(int(float(start)) + int(float(numbers)))


def _make_primesieve_command(
    start: str, stop: str, option: str, printed: Path | None = None
) -> Command:
    # Its ranges include their last number, and a number behind --print would be taken for its own.
    first, last = str(int(float(start))), str(int(stop) - 1)
    return Command(
        ("primesieve", first, last, option, THREADS), printed, captured=printed is not None
    )


def _name_range(start: str, numbers: str) -> str:
    return f"[0, {numbers})" if start == "0" else f"[{start}, {start} + {numbers})"


def _make_checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description="Primes against primesieve.")
    parser.add_argument("--quick", action="store_true", help="small ranges, seconds")
    parser.add_argument(
        "--full", action="store_true", help="find on 1e10 numbers too: 5 GB a file, twice"
    )
    arguments = parser.parse_args()
    if shutil.which("primesieve") is None:
        parser.exit(1, "there is no primesieve here: apt install primesieve\n")
    print_table(measure_primes(quick=arguments.quick, full=arguments.full))


if __name__ == "__main__":
    main()
