"""Processes of a chaos run: how they are started, what they say, and how none is forgotten.

Each carries ``CHAOS_RUN`` in its environment, and so do its children: what is left of a run is
found by that mark, whoever its parent is by then.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from headrace_worker.launch.fork_server import SERVER_NAME
from support.commands import HEADRACE, PROBE, Shell
from support.places import REPOSITORY

#: The variable that marks a process of a run; its value is the run's own.
MARK = "CHAOS_RUN"

#: The variable that names a worker's seat, and which worker of that seat it is.
SEAT_MARK = "CHAOS_SEAT"

#: A ``sitecustomize`` by which the wall clock can be made to jump.
CHAOS_SITE = REPOSITORY / "tests" / "support" / "chaos_site"

#: Seconds between looks at something that changes by itself.
LOOK_SECONDS = 0.1

#: What processes under test and clients import from.
PYTHONPATH = os.pathsep.join(map(str, (PROBE, CHAOS_SITE, REPOSITORY / "tests")))


@dataclass
class PlacedShell(Shell):
    """A shell that may start its commands in a network namespace."""

    prefix: tuple[str, ...] = ()

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start ``headrace`` with these words; its standard output is not of interest."""
        return subprocess.Popen(
            [*self.prefix, HEADRACE, *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, cwd=self.home, env=self.environment, **options,
        )  # fmt: skip


class Program:
    """A client process, and the JSON lines that it says."""

    def __init__(self, shell: Shell, *words: str | Path) -> None:
        self.words = [str(word) for word in words]
        self.news: list[dict[str, Any]] = []
        self.errors: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.chaos.client_program", *self.words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=shell.home, env=shell.environment,
        )  # fmt: skip
        self._threads = [
            threading.Thread(target=reader, daemon=True)
            for reader in (self._read_news, self._read_errors)
        ]
        for thread in self._threads:
            thread.start()
        self._ended = False

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def failed(self) -> bool:
        return self._process.poll() not in {None, 0}

    def wait_for(self, word: str, seconds: float) -> Any:
        """What the client says under this word, which may still be to come."""

        def find() -> dict[str, Any] | None:
            return next((said for said in self.news if word in said), None)

        with self._changed:
            self._changed.wait_for(lambda: find() or self._ended, seconds)
            found = find()
        if found is None:
            raise TimeoutError(f"client {self.words} never said {word!r}: {self.errors[-15:]}")
        return found[word]

    def kill(self) -> None:
        """Kill -9, and wait until it is gone; one that is gone already is only tidied up."""
        self._process.kill()
        self._tidy()

    def wait(self, seconds: float) -> int:
        """The exit code. Raises TimeoutError."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"client {self.words} is not done after {seconds:.0f} s") from None
        return self._tidy()

    def _tidy(self) -> int:
        code = self._process.wait(30)
        for thread in self._threads:
            thread.join(30)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()
        return code

    def _read_news(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._changed:
                self.news.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_errors(self) -> None:
        assert self._process.stderr
        self.errors += (line.rstrip() for line in self._process.stderr)


def find_fork_server(worker: int) -> psutil.Process | None:
    """The process that starts a worker's slots."""
    try:
        children = psutil.Process(worker).children()
        return next((child for child in children if child.name() == SERVER_NAME), None)
    except psutil.NoSuchProcess:
        return None


def send_signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Signal them all; one that is gone already needs none."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def wait_until(holds: Callable[[], object], seconds: float) -> bool:
    """Look until it holds. What happens in other processes has no event to wait for."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not holds():
        if time.monotonic() > deadline:
            return False
        pause.wait(LOOK_SECONDS)
    return True


def find_marked(mark: str) -> list[psutil.Process]:
    """Every living process of the run with this mark."""
    return find_with(MARK, mark)


def find_with(variable: str, value: str) -> list[psutil.Process]:
    """Every living process with this variable in its environment."""
    return [one for one in psutil.process_iter() if _read_variable(one, variable) == value]


def _read_variable(process: psutil.Process, variable: str) -> str:
    try:
        return process.environ().get(variable, "")
    except (psutil.Error, OSError):  # gone, a zombie, or somebody else's
        return ""


def read_name(process: psutil.Process) -> str:
    """What a process is called; "" for one that is gone."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""
