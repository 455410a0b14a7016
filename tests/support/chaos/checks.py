"""What must hold after a chaos run, while its processes live and when they are gone.

Each check gives back what is wrong, a sentence for each thing.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

import psutil

from support.chaos import netns
from support.chaos.client_program import LINGER_TASKS
from support.chaos.processes import find_marked, wait_until
from support.chaos.seats import Seat
from support.chaos.world import PROCESS_SECONDS, UNSEALED_SECONDS, World
from support.commands import HEADRACE

#: Seconds for the cluster to come to rest when nothing harms it any more.
SETTLE_SECONDS = 20.0

#: Connections of a worker: heart, leaser, reporter, and one for its introduction from each of them.
WORKER_CONNECTIONS = 6

#: Threads of a coordinator that serves nobody, and those of a scrape.
OWN_THREADS = 12

#: Bytes by which a coordinator may be larger, later in a run, than it was in the first third.
GROWTH_BYTES = 24 << 20


def check_accounts(world: World, accounts: list[dict[str, Any]]) -> Iterator[str]:
    """Every number of the working clients came back once, and the right one."""
    covered = 0
    for account in sorted(accounts, key=lambda one: int(one["first"])):
        yield from _check_account(account, account["tasks"])
        if account["first"] != covered:
            yield f"numbers from {covered} to {account['first']} belong to no job"
        covered = account["first"] + account["tasks"]
    tasks = world.settings.tasks
    total = sum(account["total"] for account in accounts)
    if covered != tasks:
        yield f"{covered} numbers went in, not {tasks}"
    if total != tasks * (tasks - 1) // 2:
        yield f"the numbers add up to {total}, not {tasks * (tasks - 1) // 2}"


def check_visits(world: World) -> Iterator[str]:
    """The jobs of killed clients, and those with crashing tasks, have all their values."""
    for visitor in world.visitors:
        for account in (one for said in visitor.news for one in said.get("accounts", [])):
            lingers = visitor in world.lingerers
            wanted = LINGER_TASKS if lingers else world.expected_visits.get(account["job"], -1)
            yield from _check_account(account, wanted)


def check_jobs(world: World) -> Iterator[str]:
    """No half uploaded job is left, and no task of any other job is anywhere but at its end."""

    def find_halves() -> list[str]:
        with world.open_cluster() as cluster:
            return [job.name for job in cluster.jobs() if job.name in world.half_uploads]

    if not wait_until(lambda: not find_halves(), UNSEALED_SECONDS + SETTLE_SECONDS):
        yield f"half uploaded jobs are still there: {find_halves()}"
    with world.open_cluster() as cluster:
        for job in cluster.jobs():
            if job.done + job.failed != job.tasks or job.waiting or job.leased or job.retrying:
                yield f"job {job.id} is not at its end: {job}"


def check_slots(world: World) -> Iterator[str]:
    """The living workers and no others are there, with all their slots, idle."""
    slots = world.settings.slots
    expected = {seat.name: (slots, 0) for seat in world.seats}

    def look() -> dict[str, tuple[int, int]]:
        done = subprocess.run(
            [HEADRACE, "workers", "--json"], check=False, capture_output=True, text=True,
            cwd=world.folder, env=world.shell.environment, timeout=PROCESS_SECONDS,
        )  # fmt: skip
        if done.returncode:
            return {done.stderr: (0, 0)}
        return {one["name"]: (one["slots"], one["busy"]) for one in json.loads(done.stdout)}

    if not wait_until(lambda: look() == expected, SETTLE_SECONDS):
        yield f"the workers' slots (and busy ones) are {look()}, not {expected}"
    for seat in world.seats:
        if not wait_until(partial(_has_slots, seat, slots), SETTLE_SECONDS):
            count = len(seat.find_slots())
            yield f"worker {seat.name} has {count} slot processes, not {slots}"


def _has_slots(seat: Seat, count: int) -> bool:
    return len(seat.find_slots()) == count


def check_handles(world: World) -> Iterator[str]:
    """The coordinator has let go of the connections that were cut, and of their threads."""
    coordinator = psutil.Process(world.coordinator.pid)
    most = len(world.seats) * WORKER_CONNECTIONS

    def count_connections() -> int:
        ours = world.ports[0]
        # psutil before 6.0 calls it by another name.
        list_them = getattr(coordinator, "net_connections", None) or coordinator.connections
        found = list_them("tcp")
        return sum(one.status != psutil.CONN_LISTEN and one.laddr.port == ours for one in found)

    if not wait_until(lambda: count_connections() <= most, SETTLE_SECONDS):
        yield f"the coordinator holds {count_connections()} connections, not {most} at most"
    if not wait_until(lambda: coordinator.num_threads() <= most + OWN_THREADS, SETTLE_SECONDS):
        yield f"the coordinator has {coordinator.num_threads()} threads"


def check_memory(world: World) -> Iterator[str]:
    """No coordinator grew beyond what it was in the first third."""
    memory = world.watch.memory
    third = memory[-1][0] / 3
    early = max(rss_bytes for second, rss_bytes in memory if second <= third)
    late = max(rss_bytes for _, rss_bytes in memory)
    if late > early + GROWTH_BYTES:
        yield f"the coordinator grew from {early >> 20} to {late >> 20} MiB"


def check_processes(world: World) -> Iterator[str]:
    """Called when all was told to go and has gone: no slot, fork server or client is left."""
    if not wait_until(lambda: not find_marked(world.mark), SETTLE_SECONDS):
        left = [(one.pid, one.name(), one.status()) for one in find_marked(world.mark)]
        yield f"processes are left: {left}"


def check_leftovers(world: World) -> Iterator[str]:
    """Called when the world has ended: no port is listened at, no namespace is there."""
    listening = {
        one.laddr.port
        for one in psutil.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.laddr
    }
    if left_ports := listening.intersection(world.ports):
        yield f"ports are still listened at: {sorted(left_ports)}"
    if names := netns.list_leftovers():
        yield f"network namespaces are left: {names}"


def _check_account(account: dict[str, Any], values: int) -> Iterator[str]:
    job = account["job"]
    if account["wrong"]:
        yield f"job {job}: {account['wrong'][:5]}"
    if account["values"] != values or account["done"] != values:
        yield f"job {job} has {account['values']} values, {account['done']} done, not {values}"
    if account["done"] + account["failed"] != account["tasks"]:
        ended = f"{account['done']} done and {account['failed']} failed"
        yield f"job {job}: {ended} of {account['tasks']}"
