"""The world of a chaos run: a coordinator, workers behind links of their own, and clients.

    clients ─► a link each ─┐
    seat 0: worker ─► link ─┼─► coordinator ─► data folder, /metrics ─► Watch
    seat 1: worker ─► link ─┘

A seat is where a worker belongs: when its worker is killed, another takes the seat. The world
starts with the ``with`` block and ends with it, whatever was done to it in between.
"""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from headrace.cluster import Cluster
from headrace_wire.address import Address
from headrace_wire.key import load_key
from support.chaos.netns import Namespace, NamespaceError
from support.chaos.processes import (
    MARK,
    PYTHONPATH,
    PlacedShell,
    Program,
    find_marked,
    send_signal,
)
from support.chaos.relay import Link, Relays
from support.chaos.seats import Guest, Seat, name_worker, start_worker
from support.chaos.settings import ChaosSettings
from support.chaos.watch import Watch
from support.commands import Process, start_coordinator

#: Seconds for a process to come up or to end on a busy machine.
PROCESS_SECONDS = 40.0

#: Clients go on submitting a little longer than faults are injected.
SPREAD = 1.1

#: Seconds without news after which the coordinator of a run forgets a half uploaded job.
UNSEALED_SECONDS = 12.0


class HopelessError(Exception):
    """The run cannot go on: something that no fault explains has ended or hangs."""


class World:
    """``problems``: what went wrong on the way, in words; ``seen``: what became of faults;
    ``over``: the time limit has passed.
    """

    def __init__(self, settings: ChaosSettings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.mark = f"{os.getpid()}-{folder.name}"
        self.problems: list[str] = []
        self.seen: dict[str, Counter[str]] = {}
        self.injected: Counter[str] = Counter()
        self.over = False
        self.seats: list[Seat] = []
        self.guests: list[Guest] = []
        self.visitors: list[Program] = []
        self.half_uploads: list[str] = []
        self.lingerers: list[Program] = []
        #: How many values a visitor is to have collected, by job.
        self.expected_visits: dict[str, int] = {}
        self.ports: list[int] = []
        self._deadline = time.monotonic() + settings.limit_seconds
        self._stack = contextlib.ExitStack()
        self._clock = folder / "clock"
        self._data = folder / "data"
        self._coordinators: list[Process] = []
        self._next_first = settings.tasks

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        with self._stack:
            self._kill_all()

    @property
    def left_seconds(self) -> float:
        """How much of the run's time limit is left."""
        return max(1.0, self._deadline - time.monotonic())

    @property
    def coordinator(self) -> Process:
        return self._coordinators[-1]

    @property
    def guest_links(self) -> list[Link]:
        """The links of clients that still work."""
        return [guest.link for guest in self.guests if guest.program.running]

    @property
    def lasting_visitors(self) -> list[Program]:
        """Visitors that come to an end by themselves, in their own time."""
        return [one for one in self.visitors if {"fetch", "linger"} & set(one.words)]

    def count_namespaces(self) -> int:
        return sum(seat.namespace is not None for seat in self.seats)

    def check_alive(self) -> None:
        """Raises HopelessError when what should be running is not."""
        if self.over:
            raise HopelessError("the run took too long")
        for seat in self.seats:
            if seat.worker._process.poll() is not None:
                raise HopelessError(f"worker {seat.name} ended by itself")
        for guest in self.guests:
            if guest.program.failed:
                raise HopelessError(f"client {guest.program.words} failed")
        if self.coordinator._process.poll() is not None:
            raise HopelessError("the coordinator ended by itself")

    def note(self, fault: str, text: str) -> None:
        """Count something that was seen of a fault."""
        self.seen.setdefault(fault, Counter())[text] += 1

    def pick_seat(self, place: int) -> Seat:
        """A seat whose worker nothing disturbs and is at work. Raises LookupError."""
        count = len(self.seats)
        for offset in range(count):
            seat = self.seats[(place + offset) % count]
            if not seat.disturbed:
                seat.worker.wait_for("serves ", PROCESS_SECONDS)
                return seat
        raise LookupError

    def add_worker(self, seat: Seat) -> None:
        """Let another worker take the seat of one that is gone."""
        seat.generation += 1
        seat.worker = start_worker(seat.shell, self.mark, seat.name, self.settings.slots)

    def restart_coordinator(self, *, kill: bool) -> int:
        """End the coordinator and start another on the same folder and port; the exit code."""
        self.watch.scrape()
        if kill:
            self.coordinator.send(signal.SIGKILL)
            code = self.coordinator.wait(PROCESS_SECONDS)
        else:
            code = self.coordinator.stop()
        self._start_coordinator()
        return code

    def start_visitor(self, *words: str, first: int | None = None) -> Program:
        """Start a client beside those that work through the tasks, straight to the coordinator.

        Its numbers begin at ``first``, else where no other client's do.
        """
        if first is None:
            first = self._next_first
            self._next_first += 1_000_000
        visitor = Program(self.shell, *self._connect_words(self._address, first), *words)
        self.visitors.append(visitor)
        return visitor

    def open_cluster(self) -> Cluster:
        """The coordinator, as this process sees it."""
        host, port = self._address
        return Cluster(Address(host, port), load_key(self._data / "key"), patience_seconds=30.0)

    def set_clock(self, ahead_seconds: float) -> None:
        """Let the wall clocks of coordinator and workers be ahead by so much."""
        with self._clock.open("r+b") as file:  # in place: it is mapped
            file.write(struct.pack("d", ahead_seconds))

    def stop_workers(self) -> list[int]:
        """SIGTERM to all at once; their exit codes."""
        for seat in self.seats:
            with contextlib.suppress(ProcessLookupError):
                seat.worker.send(signal.SIGTERM)
        return [seat.worker.wait(PROCESS_SECONDS) for seat in self.seats]

    def _build(self) -> None:
        settings = self.settings
        self._clock.write_bytes(struct.pack("d", 0.0))
        self.shell = self._make_shell()
        self._coordinator_options: tuple[str, ...] = (
            "--lease", f"{settings.lease_seconds}s", "--http", "127.0.0.1:0",
        )  # fmt: skip
        self._address = ("127.0.0.1", 0)
        self._start_coordinator()
        port = int(self.coordinator.wait_for("queues at").rpartition(":")[2])
        metrics = self.coordinator.wait_for("metrics at").rpartition("http://")[2]
        http = metrics.removesuffix("/metrics")
        self._coordinator_options = (*self._coordinator_options[:3], http)
        self._address = ("127.0.0.1", port)
        self.shell.settings["HEADRACE_COORDINATOR"] = f"127.0.0.1:{port}"
        self.ports += [port, int(http.rpartition(":")[2])]
        self.watch = self._stack.enter_context(Watch(f"http://{metrics}"))
        self.watch.follow(self.coordinator.pid)
        relays = self._stack.enter_context(Relays(self._address))
        for number in range(settings.workers):
            self._take_seat(number, relays)
        for seat in self.seats:
            seat.worker.wait_for("serves ", PROCESS_SECONDS)
        share = settings.tasks // settings.clients
        for number in range(settings.clients):
            more = settings.tasks % settings.clients if number == settings.clients - 1 else 0
            link = self._open_link(relays)
            words = (
                *self._connect_words(link.address, number * share), "work",
                "--tasks", str(share + more), "--job-tasks", str(settings.job_tasks),
                "--spread", str(settings.seconds * SPREAD),
            )  # fmt: skip
            self.guests.append(Guest(Program(self.shell, *words), link))
        for guest in self.guests:  # a program whose first call finds nobody does not go on trying
            guest.program.wait_for("connected", PROCESS_SECONDS)

    def _make_shell(self, *prefix: str) -> PlacedShell:
        return PlacedShell(
            self.folder,
            {
                "HEADRACE_KEY_FILE": str(self._data / "key"),
                "PYTHONPATH": PYTHONPATH,
                "PYTHONFAULTHANDLER": "1",
                "CHAOS_CLOCK": str(self._clock),
                MARK: self.mark,
            },
            prefix,
        )

    def _connect_words(self, address: tuple[str, int], first: int) -> tuple[str, ...]:
        host, port = address
        return (
            "--coordinator", f"{host}:{port}", "--key-file", str(self._data / "key"),
            "--sleep", str(self.settings.sleep_seconds), "--first", str(first),
        )  # fmt: skip

    def _start_coordinator(self) -> None:
        shell = self._make_shell()
        shell.settings["CHAOS_UNSEALED_SECONDS"] = str(UNSEALED_SECONDS)
        port = self._address[1]
        started = start_coordinator(shell, self._data, port, *self._coordinator_options)
        self._coordinators.append(started)
        if port:
            self.watch.follow(started.pid)

    def _take_seat(self, number: int, relays: Relays) -> None:
        namespace = self._make_namespace() if self.settings.namespaces else None
        link = self._open_link(relays, namespace.host if namespace else "127.0.0.1")
        shell = self._make_shell(*(namespace.prefix if namespace else ()))
        host, port = link.address
        shell.settings["HEADRACE_COORDINATOR"] = f"{host}:{port}"
        worker = start_worker(shell, self.mark, name_worker(number, 1), self.settings.slots)
        self.seats.append(Seat(number, self.mark, shell, link, namespace, worker))

    def _make_namespace(self) -> Namespace | None:
        try:
            namespace = Namespace()
        except NamespaceError:
            return None
        self._stack.callback(namespace.remove)
        return namespace

    def _open_link(self, relays: Relays, host: str = "127.0.0.1") -> Link:
        link = relays.open(host)
        self.ports.append(link.address[1])
        return link

    def _kill_all(self) -> None:
        """Whatever is left, of whatever went wrong."""
        marked = find_marked(self.mark)
        send_signal(marked, signal.SIGKILL)
        psutil.wait_procs(marked, timeout=PROCESS_SECONDS)
        for program in (*(guest.program for guest in self.guests), *self.visitors):
            program.kill()
        for process_of_ours in (*self._coordinators, *(seat.worker for seat in self.seats)):
            process_of_ours.wait()
