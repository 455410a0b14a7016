"""The pool as part of a whole process: what it inherits, prints, and leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[2]
PROGRAM = TESTS / "support" / "pool_agent.py"
METHODS = ["fork", "forkserver", "spawn"]


def start(method: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, PROGRAM, method, *arguments],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(params=METHODS)
def busy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program whose two slots are busy for an hour."""
    marks = tmp_path / "marks"
    with start(request.param, "spin", str(marks)) as program:
        try:
            deadline = time.monotonic() + 30
            while not marks.exists() or len(marks.read_text().splitlines()) < 2:
                assert program.poll() is None, program.communicate()
                assert time.monotonic() < deadline
                psutil.wait_procs([psutil.Process(program.pid)], timeout=0.01)
            yield program
        finally:
            if program.poll() is None:
                program.kill()
            program.communicate()


def test_an_agent_that_is_killed_leaves_no_process_behind(busy: subprocess.Popen[str]) -> None:
    children = psutil.Process(busy.pid).children(recursive=True)
    assert len(children) >= 2
    busy.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def test_slots_leave_ctrl_c_to_their_agent(busy: subprocess.Popen[str]) -> None:
    """An interrupt of the whole group ends the agent alone, and it ends its slots in good order."""
    children = psutil.Process(busy.pid).children(recursive=True)
    os.killpg(busy.pid, signal.SIGINT)
    _, error = busy.communicate(timeout=20)
    assert error.count("KeyboardInterrupt") == 1
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


@pytest.mark.parametrize("method", METHODS)
def test_what_tasks_print_goes_to_standard_error(method: str) -> None:
    """Standard output may be the result of a command."""
    with start(method, "print") as program:
        out, error = program.communicate(timeout=30)
    assert out == "the result\n"
    said = [line.split(" ", 2)[2] for line in error.splitlines()]
    assert sorted(said) == [f"PRINT   job job task {index}: said by a task" for index in range(2)]
    assert program.returncode == 0
