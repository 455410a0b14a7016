"""The logs of coordinator and worker, for people and for programs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from headrace_wire.key import ensure_key
from support.commands import HEADRACE, Process, Shell, wait_until


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, {"HEADRACE_LOG_FORMAT": "auto"})


def read_records(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_where_there_is_no_terminal_each_line_is_a_json_object(shell: Shell) -> None:
    process = Process(
        shell, "coordinator", "--bind", "127.0.0.1:0", "--no-http", "--data", shell.home / "data"
    )
    process.wait_for("data in")
    assert process.stop() == 0
    records = read_records(process.lines)
    assert all(record.keys() == {"time", "level", "message", "logger"} for record in records)
    assert records[-1]["message"] == "stopping"


def test_also_the_one_that_says_why_a_worker_ends(shell: Shell) -> None:
    ensure_key(shell.home / "key")
    key = str(shell.home / "key")
    words = ("worker", "--coordinator", "127.0.0.1:9", "--key-file", key)
    ended = shell.run(*words, "--name", "w", "--give-up", "0s")
    assert ended.code == 69
    records = read_records(ended.err.splitlines())
    assert records[-1]["level"] == "critical"
    assert "127.0.0.1:9" in records[-1]["message"]
    assert all(record["worker"] == "w" for record in records)

    ended = shell.run(*words, "--give-up", "0s", "--log-format", "text")
    assert ended.err.splitlines()[-1].startswith("headrace: ")


def test_a_log_that_nobody_reads_keeps_nobody_waiting(shell: Shell) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(1 << 16))
    os.set_blocking(writer, True)
    socket = shell.home / "socket"
    coordinator = subprocess.Popen(
        [HEADRACE, "coordinator", "--bind", f"unix:{socket}", "--no-http", "--data", "data"],
        env=shell.environment, cwd=shell.home, stderr=writer,
    )  # fmt: skip
    try:
        wait_until(socket.exists)
        key = str(shell.home / "data" / "key")
        jobs = shell.run("jobs", "--coordinator", f"unix:{socket}", "--key-file", key)
        assert jobs.code == 0
        coordinator.terminate()
        assert coordinator.wait(30) == 0
    finally:
        coordinator.kill()
        coordinator.wait()
        os.close(reader)
        os.close(writer)
