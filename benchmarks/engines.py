"""What an engine adds and costs: the same pool over slots of its own, a Dask and a Ray cluster.

``make bench-engines`` runs ``python -m benchmarks.engines`` in the environment that has all of them
(``.venv/engines``), and puts the table into docs/scale.md. Each pool has two processes on this
machine, and what it starts is gone when its turn is over.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec

import click

from benchmarks import readme
from benchmarks.machine import describe_machine
from benchmarks.systems.processes import ROOT
from benchmarks.systems.system import SLOTS
from benchmarks.tables import format_number
from benchmarks.tasks import echo, noop
from headrace import Pool

#: The engines by name, and the library of each.
ENGINES = {"pool": "headrace", "dask": "distributed", "ray": "ray"}

#: How many tasks that do nothing, naps of so many seconds, calls one by one, and values of 1 MiB.
NOOPS, NAPS, NAP_SECONDS, CALLS, VALUES = 100_000, 400, 0.01, 200, 200

MIB = 1 << 20

#: The part of docs/scale.md.
PART = "engines"

HEAD = (
    "engine", "start to the first value, s", "tasks that do nothing, a second",
    "slots busy with tasks of 10 ms", "one task there and back, median, ms",
    "1 MiB there and back, MB/s",
)  # fmt: skip


def measure(engine: str) -> list[str]:
    """The row of an engine."""
    began = time.perf_counter()
    with Pool(SLOTS, engine=engine) as pool:
        pool.apply(noop, (0,))
        started = time.perf_counter() - began
        pool.map(noop, range(NOOPS // 10))  # how long tasks take is known from now on
        noops = _time(lambda: pool.map(noop, range(NOOPS)))
        pool.map(time.sleep, [NAP_SECONDS] * SLOTS * 10)
        naps = _time(lambda: pool.map(time.sleep, [NAP_SECONDS] * NAPS))
        call = statistics.median(_time(lambda: pool.apply(noop, (0,))) for _ in range(CALLS))
        values = _time(lambda: sum(1 for _ in pool.imap_unordered(echo, [bytes(MIB)] * VALUES)))
    return [
        engine,
        format_number(started),
        format_number(NOOPS / noops),
        f"{NAPS * NAP_SECONDS / SLOTS / naps:.2f}",
        format_number(call * 1e3),
        format_number(VALUES * MIB / values / 1e6),
    ]


def _time(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


@click.command()
@click.option("--page", "is_kept", is_flag=True, help="Put the table into docs/scale.md.")
def main(*, is_kept: bool) -> None:
    """Measure the engines whose libraries are here."""
    machine = describe_machine()
    lines = [
        (
            f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, on "
            f"{datetime.now(UTC):%Y-%m-%d}; {SLOTS} processes each."
        ),
        "",
        f"| {' | '.join(HEAD)} |",
        "| --- |" + " ---: |" * (len(HEAD) - 1),
    ]
    for line in lines:
        click.echo(line)
    for engine, library in ENGINES.items():
        if find_spec(library):
            lines.append(f"| {' | '.join(measure(engine))} |")
            click.echo(lines[-1])
    if is_kept:
        page = ROOT / "docs" / "scale.md"
        page.write_text(readme.insert(page.read_text(), "\n".join(lines), PART))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.engines")
