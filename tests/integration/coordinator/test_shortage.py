"""A coordinator that runs out of something serves who is connected, and recovers by itself."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import NoReturn

import pytest

from headrace.submission import make_job_spec
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address, parse_address
from headrace_wire.batch import pack_batch
from headrace_wire.calling import greet
from headrace_wire.connection import dial
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from support.commands import Process, Shell
from support.coordinators import run_coordinator

MEBIBYTE = 1 << 20

#: A coordinator takes some 60 MiB of addresses when it starts.
ADDRESS_BYTES = 200 * MEBIBYTE

#: Nothing here takes longer, in seconds.
PATIENCE_SECONDS = 20.0


def test_out_of_memory_for_a_frame_it_drops_that_connection_alone(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))

    data = tmp_path / "data"
    options = ["--bind", "127.0.0.1:0", "--no-http", "--data", str(data)]
    coordinator = Process(Shell(tmp_path), "coordinator", *options, preexec_fn=limit)
    try:
        address = parse_address(coordinator.wait_for("queues at").split("queues at ")[1])
        key = load_key(data / "key")
        jobs = QueueManager(address, key).jobs()
        spec = make_job_spec("calls", "map", {}, None, tasks=None, carried=True)
        jobs.submit(spec)
        giant = dial(address, key)
        greet(giant, "jobs")
        giant.set_deadline(PATIENCE_SECONDS)
        with contextlib.suppress(ConnectionError):
            giant.send_parts([bytes(220 * MEBIBYTE)])
            pytest.fail("a coordinator took more than it has memory for")
        giant.close()
        assert "there is no memory for what it sent" in coordinator.wait_for("dropped 127.0.0.1")
        assert jobs.info()
        assert jobs.put(spec.id, 0, pack_batch([bytes(8 * MEBIBYTE)])) == 1
        assert not [line for line in coordinator.lines if "Traceback" in line]
    finally:
        assert coordinator.stop() == 0


def test_out_of_threads_it_serves_all_who_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    anywhere = Address("127.0.0.1", 0)
    settings = CoordinatorSettings(tmp_path / "data", tmp_path / "key", anywhere, http=anywhere)
    with run_coordinator(settings) as running, monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        jobs = QueueManager(running.bound, load_key(settings.key_file)).jobs()
        spec = make_job_spec("calls", "map", {}, None, tasks=None, carried=True)
        jobs.submit(spec)
        assert jobs.put(spec.id, 0, pack_batch([bytes(MEBIBYTE)])) == 1
        with urllib.request.urlopen(f"http://{running.http_bound}/metrics") as page:
            assert b"headrace_jobs" in page.read()


#: A coordinator in a process that has room for no thread of this name.
_THREADLESS = """
import sys, threading
from headrace.cli import main
start, name = threading.Thread.start, sys.argv.pop(1)
def refuse(thread):
    if thread.name == name:
        raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = refuse
main()
"""


@pytest.mark.parametrize("name", ["checkpointer", "headrace-http"])
def test_out_of_threads_it_does_not_start_and_says_so_in_one_line(
    tmp_path: Path, name: str
) -> None:
    options = ["--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-c", _THREADLESS, name, "coordinator", *options],
        capture_output=True, text=True, check=False, env=Shell(tmp_path).environment,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot start its threads (can't start new thread): raise `ulimit -u`" in done.stderr
    assert "Traceback" not in done.stderr
