"""The command line as users run it, and the processes that they start with it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.cluster import Cluster
from headrace_wire.address import Address
from headrace_wire.key import load_key
from headrace_wire.system import portable
from support.places import REPOSITORY

#: The console script of the environment that runs the tests.
HEADRACE = str(Path(sys.executable).with_name("headrace"))

#: Seconds after which a command counts as hung.
COMMAND_SECONDS = 90

#: A third party's service: operations that sleep, fail and die. See support/probe.
PROBE = REPOSITORY / "tests" / "support" / "probe"


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Look again and again, for what tells nobody that it happened."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen in {seconds} s"
        pause.wait(0.02)


@dataclass
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Shell:
    """Runs commands with an environment of its own: no user's settings, an empty home."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items()
            if not name.startswith("HEADRACE") or name == portable.VARIABLE
        }  # fmt: skip
        kept.pop("XDG_STATE_HOME", None)
        own = {"HOME": str(self.home), "NO_COLOR": "1", "HEADRACE_LOG_FORMAT": "text"}
        return {**kept, **own, **self.settings}

    def run(self, *words: str | Path, stdin: str = "") -> Finished:
        """Run ``headrace`` with these words to its end."""
        done = subprocess.run(
            [HEADRACE, *map(str, words)],
            check=False, capture_output=True, text=True, input=stdin, cwd=self.home,
            env=self.environment, timeout=COMMAND_SECONDS,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start ``headrace`` with these words."""
        streams = {
            "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE
        }  # fmt: skip
        return subprocess.Popen(
            [HEADRACE, *map(str, words)],
            text=True, cwd=self.home, env=self.environment, **{**streams, **options},
        )  # fmt: skip


class Process:
    """A long-running ``headrace`` whose log can be waited for."""

    def __init__(self, shell: Shell, *words: str | Path, **options: Any) -> None:
        self._process = shell.start(*words, **options)
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, text: str, seconds: float = 30.0) -> str:
        """The first log line with this text, which may still be to come."""

        def find() -> str | None:
            return next((line for line in self.lines if text in line), None)

        with self._news:
            assert self._news.wait_for(lambda: find() or self._ended, seconds), self.lines
            found = find()
        assert found, f"ended without {text!r}: {self.lines}"
        return found

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        self._process.kill()
        self.wait()

    def wait(self, seconds: float = 30.0) -> int:
        """The exit code."""
        code = self._process.wait(seconds)
        self._reader.join(seconds)
        if self._process.stdout:
            self._process.stdout.close()
        return code

    def stop(self) -> int:
        """SIGTERM, and the exit code; one that is gone already is left alone."""
        if self._process.poll() is None:
            self._process.terminate()
        return self.wait()

    _ended = False

    def _read(self) -> None:
        assert self._process.stderr
        # Closed here: a child that is frozen may have it open for longer than its parent lives.
        with self._process.stderr as errors:
            for line in errors:
                with self._news:
                    self.lines.append(line.rstrip())
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


@dataclass
class Site:
    """A coordinator and workers started from the command line, and a shell that finds them."""

    shell: Shell
    data: Path
    port: int
    coordinator: Process
    workers: list[Process] = field(default_factory=list)
    options: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def open_cluster(self) -> Cluster:
        return Cluster(Address("127.0.0.1", self.port), load_key(self.data / "key"))

    def add_worker(self, *options: str, ready_seconds: float = 30.0, **how: Any) -> Process:
        worker = Process(self.shell, "worker", *options, **how)
        self.workers.append(worker)
        worker.wait_for("coordinator 127.0.0.1", ready_seconds)
        return worker

    def restart_coordinator(self) -> None:
        """Start a coordinator on the same folder and port."""
        self.coordinator = start_coordinator(self.shell, self.data, self.port, *self.options)


def start_coordinator(shell: Shell, data: Path, port: int, *options: str) -> Process:
    process = Process(shell, "coordinator", "--bind", f"127.0.0.1:{port}", "--data", data, *options)
    process.wait_for("data in")
    return process


@contextlib.contextmanager
def open_site(
    folder: Path, *options: str, workers: int = 1, settings: dict[str, str] | None = None
) -> Iterator[Site]:
    """A coordinator on a port of its own, and workers with one slot each."""
    data = folder / "data"
    shell = Shell(
        folder,
        {"HEADRACE_KEY_FILE": str(data / "key"), "PYTHONPATH": str(PROBE), **(settings or {})},
    )
    chosen = options if "--http" in options else (*options, "--no-http")
    coordinator = start_coordinator(shell, data, 0, *chosen)
    port = int(coordinator.wait_for("queues at").rpartition(":")[2])
    shell.settings["HEADRACE_COORDINATOR"] = f"127.0.0.1:{port}"
    site = Site(shell, data, port, coordinator, options=chosen)
    try:
        for number in range(workers):
            site.add_worker("--slots", "1", "--name", f"worker-{number}")
        yield site
    finally:
        for worker in site.workers:
            worker.stop()
        site.coordinator.stop()
