"""The logs of coordinator and worker, for people and for programs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from headrace_wire.errors import EXIT_TASKS_FAILED
from headrace_wire.key import ensure_key
from support.commands import HEADRACE, Process, Shell, open_site, wait_until


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


@pytest.mark.parametrize("log_format", ["auto", "json", "text"])
@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("coordinator --no-http --data /proc/x", "headrace: cannot use data folder /proc/x"),
        ("coordinator --no-http --data data --bind 192.0.2.1:1", "headrace: cannot serve at"),
        ("coordinator --data data --http-key key", "headrace: --http-key is of no use"),
        ("coordinator --no-http --data data --tls on --tls-cert key", "headrace: "),
        ("coordinator --no-http --data data --key-file key", "headrace: "),
        ("autoscale --max 1 --command x --metrics 192.0.2.1:1", "headrace: metrics cannot be"),
    ],
)
def test_whatever_is_why_it_cannot_start(
    shell: Shell, words: str, told: str, log_format: str
) -> None:
    (shell.home / "key").touch()
    ended = shell.run(*words.split(), "--log-format", log_format)
    assert ended.code in (2, 77), ended.err
    lines = ended.err.splitlines()
    if log_format != "text":
        lines = [record["message"] for record in read_records(lines)]
    assert lines[-1].startswith(told)
    assert "Traceback" not in ended.err


def test_only_an_option_that_is_invalid_is_told_before_the_log_begins(shell: Shell) -> None:
    ended = shell.run("worker", "--slots", "0", "--log-format", "json")
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert ended.err.startswith("headrace worker: Invalid value for '--slots'")


ENDINGS = """
import os, sys

def end(how):
    print("said by", how)
    if how == "raise":
        raise ValueError(how)
    if how == "exit":
        sys.exit(1)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "crash":
        os._exit(3)
    return how
"""


def test_what_a_task_says_has_its_job_task_and_attempt_however_it_ends(tmp_path: Path) -> None:
    (tmp_path / "endings.py").write_text(ENDINGS)
    hows = ["return", "raise", "exit", "interrupt", "crash"]
    records = tmp_path / "hows.jsonl"
    records.write_text("".join(f"{json.dumps(how)}\n" for how in hows))
    with open_site(tmp_path, workers=0) as site:
        allow = ("--path", str(tmp_path), "--allow", "endings")
        worker = site.add_worker("--slots", "1", "--log-format", "json", *allow)
        retry = ("--retries", "1", "--retry-delay", "1ms")
        done = site.shell.run("submit", "map", "endings:end", records, *retry)
        assert done.code == EXIT_TASKS_FAILED
        assert worker.stop() == 0
        lines = [json.loads(line) for line in worker.lines]
    of_tasks = [one for one in lines if "task" in one]
    said = {
        (one["message"], one["task"], one["attempt"])
        for one in of_tasks
        if one["message"].startswith("said by")
    }
    assert said == {
        (f"said by {how}", task, attempt)
        for task, how in enumerate(hows)
        for attempt in ((1,) if how == "return" else (1, 2))
    }
    assert all(one.keys() >= {"job", "worker"} for one in of_tasks)


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
