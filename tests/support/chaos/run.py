"""A chaos run from its seed to its table.

    plan ─► world up ─► clients work, injector harms ─► clients done ─► checks
      ─► all stopped ─► checks

Called by the command line (``python -m support.chaos``) and by the acceptance test. It ends by
itself: a watchdog thread kills what is left of a run beyond its limit, and shows where it hung.
"""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from support.chaos.checks import (
    check_accounts,
    check_handles,
    check_jobs,
    check_leftovers,
    check_memory,
    check_processes,
    check_slots,
    check_visits,
)
from support.chaos.injector import Injector
from support.chaos.processes import Program, find_marked, send_signal
from support.chaos.schedule import make_schedule
from support.chaos.settings import ChaosSettings
from support.chaos.table import gather_seen, make_table
from support.chaos.world import HopelessError, World

#: Log lines of each process that are shown when something is wrong.
SHOWN_LINES = 60

#: Seconds beyond the limit for everything to end by itself.
GRACE_SECONDS = 15.0

#: Seconds for processes to say where they hang.
DUMP_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """``problems``: what was wrong, in words; none when all was survived. ``seen``: the kinds of
    fault that did something.
    """

    problems: tuple[str, ...]
    table: str
    seen: frozenset[str]
    seconds: float


def run_chaos(settings: ChaosSettings, folder: Path, tell: Callable[[str], None]) -> Outcome:
    """Do one run in this empty folder. ``tell`` hears of it as it goes."""
    begun = time.monotonic()
    plan = make_schedule(settings.seed, settings.seconds, settings.lease_seconds)
    world = World(settings, folder)
    with watch_dog(world, tell):
        with world:
            tell(
                f"{settings.tasks} tasks from {settings.clients} clients for {len(world.seats)} "
                f"workers, {world.count_namespaces()} of them in namespaces; {len(plan)} faults"
            )
            try:
                Injector(world, tell).run(plan)
                _finish(world)
            except (HopelessError, subprocess.TimeoutExpired) as error:
                world.problems.append(str(error))
                dump_stacks(world)
            table = make_table(world)
            seen = frozenset(kind for kind, counts in gather_seen(world).items() if counts)
            if world.problems:
                show_logs(world, tell)
        world.problems += check_leftovers(world)
    return Outcome(tuple(world.problems), table, seen, time.monotonic() - begun)


def _finish(world: World) -> None:
    """Wait for the clients, check, and stop everything in good order."""
    guests = [guest.program for guest in world.guests]
    accounts: list[dict[str, Any]] = []
    for program in (*guests, *world.lasting_visitors):
        try:
            code = program.wait(world.left_seconds)
        except TimeoutError as error:
            raise HopelessError(str(error)) from None
        if code:
            world.problems.append(f"client {program.words} ended with {code}")
    for program in guests:
        accounts += _read_accounts(program)
    world.problems += check_accounts(world, accounts)
    world.problems += check_visits(world)
    world.problems += check_slots(world)
    world.problems += check_handles(world)
    world.problems += check_jobs(world)
    codes = world.stop_workers()
    if any(codes):
        world.problems.append(f"workers ended with {codes}")
    world.watch.scrape()
    code = world.coordinator.stop()
    if code:
        world.problems.append(f"the coordinator ended with {code}")
    world.problems += check_processes(world)
    world.problems += check_memory(world)


def _read_accounts(program: Program) -> list[dict[str, Any]]:
    return [account for said in program.news for account in said.get("accounts", [])]


def dump_stacks(world: World) -> None:
    """Let every process of the run say on its standard error where its threads are, and die."""
    marked = find_marked(world.mark)
    send_signal(marked, signal.SIGCONT)
    send_signal(marked, signal.SIGABRT)
    psutil.wait_procs(marked, timeout=DUMP_SECONDS)


def show_logs(world: World, tell: Callable[[str], None]) -> None:
    """The last words of every process."""
    logs = {f"client {guest.program.words}": guest.program.errors for guest in world.guests}
    logs |= {f"visitor {visitor.words}": visitor.errors for visitor in world.visitors}
    logs["coordinator"] = world.coordinator.lines
    for seat in world.seats:
        logs[f"seat {seat.number}"] = seat.worker.lines
    for name, lines in logs.items():
        if lines:
            tell("\n".join((f"--- {name}", *lines[-SHOWN_LINES:])))


@contextlib.contextmanager
def watch_dog(world: World, tell: Callable[[str], None]) -> Iterator[None]:
    """End the run by force when it is over its limit."""

    def bite() -> None:
        world.over = True
        world.problems.append(f"the run hung for more than {world.settings.limit_seconds:.0f} s")
        faulthandler.dump_traceback(file=sys.__stderr__ or 2)
        dump_stacks(world)
        show_logs(world, tell)
        send_signal(find_marked(world.mark), signal.SIGKILL)

    timer = threading.Timer(world.settings.limit_seconds + GRACE_SECONDS, bite)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
