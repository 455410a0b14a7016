"""What distance costs: a worker, and then a client, behind a relay that delays all that passes.

``make distance`` (``python -m benchmarks.distance``, about five minutes) prints tables in Markdown,
and with ``--page`` puts them into docs/scale.md. Each distance has a new coordinator and one worker
with two slots; all of them, the relay and the client share this machine.

    worker ─► relay ─► coordinator ◄─ client            worker ─► coordinator ◄─ relay ◄─ client
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from benchmarks import readme
from benchmarks.machine import describe_machine
from benchmarks.systems.processes import ROOT, Processes
from benchmarks.tables import format_number
from benchmarks.tasks import echo, make_payload, nap, weigh
from headrace import Pool

#: Round trips in seconds.
DISTANCES = (0.0, 0.04, 0.2)

SLOTS = 2

#: Naps in seconds: each of them alone, and all of them mixed.
NAPS = {
    "naps of 5 ms": (0.005,),
    "naps of 50 ms": (0.05,),
    "naps of 500 ms": (0.5,),
    "all of them mixed": (0.005, 0.5, 0.05),
}

#: Seconds for which each job of naps has work for all slots.
JOB_SECONDS = 10.0

#: Values of 1 MiB that go there and back before it is measured, and while it is.
VALUES_BEFORE, VALUES = 50, 800

#: Bytes that go through the relay alone, on one connection.
PLAIN_BYTES = 256 << 20

#: Seconds after which a worker knows how far its coordinator is.
KNOWN_SECONDS = 2.0

#: The part of docs/scale.md.
PART = "distance"

MIB = 1 << 20


@contextlib.contextmanager
def open_relay(processes: Processes, target: str, round_trip: float) -> Iterator[str]:
    """The address at which a target is so far away; its own where that is no distance."""
    if not round_trip:
        yield target
        return
    relay = subprocess.Popen(
        [sys.executable, "-m", "support.distance", target, str(round_trip)],
        cwd=processes.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with relay:
        assert relay.stdin
        assert relay.stdout
        yield relay.stdout.readline().strip()
        relay.stdin.close()


@contextlib.contextmanager
def open_pool(worker_away: float, client_away: float) -> Iterator[Pool]:
    """A pool over a cluster of its own, whose worker and client are so many seconds away."""
    base = ROOT / ".bench"
    base.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=base)))
        processes = Processes(folder)
        stack.callback(processes.stop)
        key_file = folder / "key"
        coordinator = processes.start(
            [sys.executable, "-m", "headrace", "coordinator", "--bind", "127.0.0.1:0", "--no-http",
             "--data", str(folder / "data"), "--key-file", str(key_file), "--announce"],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert coordinator.stdout
        address: str = json.loads(coordinator.stdout.readline())["address"]
        near = stack.enter_context(open_relay(processes, address, worker_away))
        processes.start_python(
            "-m", "headrace", "worker", "--coordinator", near, "--key-file", str(key_file),
            "--slots", str(SLOTS), "--allow", "benchmarks.tasks", "--drain", "0s",
        )  # fmt: skip
        far = stack.enter_context(open_relay(processes, address, client_away))
        pool = stack.enter_context(Pool(far, key_file=key_file))
        pool.map(nap, [0.0] * SLOTS)
        time.sleep(KNOWN_SECONDS)
        yield pool


def measure_naps(pool: Pool, naps: Sequence[float]) -> tuple[float, float]:
    """The share of slots' time in which they have a task: from the beginning of the first task to
    the end of the last, and from the submission until the client has all results.
    """
    count = int(JOB_SECONDS * SLOTS / sum(naps))
    begun = time.monotonic()
    told = list(pool.imap_unordered(nap, [one for _ in range(count) for one in naps]))
    whole = time.monotonic() - begun
    busy = sum(end - start for start, end in told)
    between = max(end for _, end in told) - min(start for start, _ in told)
    return busy / SLOTS / between, busy / SLOTS / whole


def measure_values(pool: Pool, task: Callable[[Any], object], value: object) -> float:
    """MB/s of values of 1 MiB that go to tasks, or come from them, or both at the same time."""
    for count in (VALUES_BEFORE, VALUES):
        begun = time.monotonic()
        assert sum(1 for _ in pool.imap_unordered(task, [value] * count)) == count
        seconds = time.monotonic() - begun
    return VALUES * MIB / seconds / 1e6


def measure_relay(round_trip: float) -> float:
    """MB/s of one connection through the relay, which must not be what limits."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
        open_relay(
            Processes(Path(folder)), f"127.0.0.1:{server.getsockname()[1]}", round_trip
        ) as address,
    ):

        def drain() -> None:
            taken, _ = server.accept()
            with taken:
                buffer = bytearray(MIB)
                while taken.recv_into(buffer):
                    pass

        thread = threading.Thread(target=drain)
        thread.start()
        host, _, port = address.rpartition(":")
        begun = time.monotonic()
        with socket.create_connection((host, int(port))) as sender:
            for _ in range(PLAIN_BYTES // MIB):
                sender.sendall(bytes(MIB))
            sender.shutdown(socket.SHUT_WR)
            thread.join()
        return PLAIN_BYTES / 1e6 / (time.monotonic() - begun)


def make_row(name: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join((name, *cells))} |"


def list_naps() -> Iterator[str]:
    yield make_row("round trip of the worker, ms", list(NAPS))
    yield "| ---: |" + " ---: |" * len(NAPS)
    for distance in DISTANCES:
        with open_pool(distance, 0.0) as pool:
            shares = [measure_naps(pool, naps) for naps in NAPS.values()]
        cells = [f"{between:.3f}, {whole:.3f}" for between, whole in shares]
        yield make_row(f"{distance * 1e3:g}", cells)


def list_values() -> Iterator[str]:
    value = os.urandom(MIB)
    loads: tuple[tuple[str, Callable[[Any], object], object], ...] = (
        ("in", weigh, value),
        ("out", make_payload, MIB),
        ("both", echo, value),
    )
    names = [f"the {who}'s: {name}" for who in ("worker", "client") for name, _, _ in loads]
    yield make_row("round trip, ms", [*names, "the relay alone"])
    yield "| ---: |" + " ---: |" * (len(names) + 1)
    for distance in DISTANCES:
        speeds: list[float] = []
        for away in ((distance, 0.0), (0.0, distance)):
            with open_pool(*away) as pool:
                speeds += [measure_values(pool, task, given) for _, task, given in loads]
        relay = format_number(measure_relay(distance)) if distance else ""
        yield make_row(f"{distance * 1e3:g}", [*map(format_number, speeds), relay])


@click.command()
@click.option("--page", "is_kept", is_flag=True, help="Put the tables into docs/scale.md.")
def main(*, is_kept: bool) -> None:
    """Measure how busy slots far away are, and how fast large values get there and back."""
    machine = describe_machine()
    lines = [
        (
            f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, on "
            f"{datetime.now(UTC):%Y-%m-%d}; {SLOTS} slots."
        )
    ]
    click.echo(lines[0])
    for table in (list_naps, list_values):
        lines.append("")
        for line in table():
            lines.append(line)
            click.echo(line)
    if is_kept:
        page = ROOT / "docs" / "scale.md"
        page.write_text(readme.insert(page.read_text(), "\n".join(lines), PART))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.distance")
