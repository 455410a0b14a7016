"""Processes of a system under test: started in a session of their own, and all ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

#: Seconds for a system to end in before it is killed.
STOP_SECONDS = 5.0

#: The repository: where ``benchmarks`` is imported from.
ROOT = Path(__file__).resolve().parents[2]


class Processes:
    """A system's processes, with their output in one file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        command: Sequence[str],
        *,
        environment: dict[str, str] | None = None,
        stdout: int | IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own, with ``benchmarks`` importable."""
        number = len(self._running)
        with (self.folder / f"output-{number}").open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output if stdout is None else stdout,
                stderr=output,
                cwd=self.folder,
                env=_make_environment() | (environment or {}),
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def start_python(self, *arguments: str, **options: str) -> subprocess.Popen[bytes]:
        """Start this Python with these arguments; ``options`` are added to its environment."""
        return self.start([sys.executable, *arguments], environment=options)

    def list_numbers(self) -> list[int]:
        return [process.pid for process in self._running]

    def stop(self) -> None:
        """End them, the newest first, and whatever they left in their sessions."""
        for process in reversed(self._running):
            process.terminate()
        for process in reversed(self._running):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()
        self._running.clear()


def _make_environment() -> dict[str, str]:
    # What pip installs is compiled; a checkout is, too, once it was run, if that is not forbidden.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT)}


def find_free_port() -> int:
    """A port of the loopback interface that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for_port(port: int, seconds: float = 10.0) -> None:
    """Wait until somebody listens. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody listens on port {port}") from None
            time.sleep(0.002)
