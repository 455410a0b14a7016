"""Seats and guests: where the workers and the working clients of a chaos run belong."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from support.chaos.netns import Namespace
from support.chaos.processes import SEAT_MARK, PlacedShell, Program, find_with, read_name
from support.chaos.relay import Link
from support.commands import Process

#: How slots are called in lists of processes.
SLOT_NAME = "headrace-slot-"


@dataclass
class Seat:
    """Where a worker belongs: when its worker is killed, another takes the seat.

    ``mark`` is the run's. ``disturbed``: a fault lasts here. ``generation`` counts the workers.
    """

    number: int
    mark: str
    shell: PlacedShell
    link: Link
    namespace: Namespace | None
    worker: Process
    disturbed: bool = False
    generation: int = 1

    @property
    def name(self) -> str:
        """The name of the worker that has it now."""
        return name_worker(self.number, self.generation)

    def find_family(self) -> list[psutil.Process]:
        """The agent and all that it started."""
        return find_with(SEAT_MARK, f"{self.mark} {self.name}")

    def find_slots(self) -> list[psutil.Process]:
        """The slot processes, by their name: those that outlive their fork server become the
        agent's own children, as fork servers are.
        """
        return [one for one in self.find_family() if read_name(one).startswith(SLOT_NAME)]


@dataclass
class Guest:
    """A client that works through its share of the tasks, and its link."""

    program: Program
    link: Link


def name_worker(number: int, generation: int) -> str:
    return f"seat{number}-{generation}"


def start_worker(shell: PlacedShell, mark: str, name: str, slots: int) -> Process:
    """Start a worker of this name, marked with run and name for as long as its family lives."""
    shell.settings[SEAT_MARK] = f"{mark} {name}"
    return Process(shell, "worker", "--slots", str(slots), "--name", name, "--drain", "10s")
