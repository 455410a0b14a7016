"""Turns of a program that is not a benchmark, in a process of their own: they end its children."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil

from support.places import REPOSITORY

#: Measures what it is told to, as ``benchmarks.drive`` does.
PROGRAM = """
import subprocess, sys, time
from benchmarks.line import take

system, *measures = sys.argv[1:]

def measure(name):
    if name == "breaks":
        raise ValueError("no such thing\\nmore of it")
    if name == "dies":
        sys.exit("out of order")
    if name == "hangs":
        child = "import time; print('x', flush=True); time.sleep(600)"
        daemon = subprocess.Popen(["setsid", "--fork", sys.executable, "-c", child],
                                  stdout=subprocess.PIPE)
        daemon.stdout.readline()
        time.sleep(600)
    return {"seconds": 1.0}

if system != "whole":
    take("start", lambda: measure("breaks" if system == "lame" else "start"), dict)
    if system == "lame":
        sys.exit(1)
for name in measures:
    if name != "start":
        take(name, lambda: measure(name), lambda: {"made": "1"})
"""

#: Takes a turn of it.
TURN = """
import json, sys, psutil
from pathlib import Path
from benchmarks.process_tree import keep_orphans
from benchmarks.turn import Turn, take_turn

keep_orphans()
lines = []
program, system, *measures = sys.argv[1:]
turn = Turn(Path(sys.executable), program, system, tuple(measures))
take_turn(turn, lines.append, 3.0)
left = len(psutil.Process().children(recursive=True))
print(json.dumps([[[each.measure, each.error] for each in lines], left]))
"""


def take(tmp_path: Path, system: str, *measures: str) -> list[list[str | None]]:
    """Each line's measure and error, after nothing was left of the turn."""
    package = tmp_path / "made_up.py"
    package.write_text(PROGRAM)
    before = psutil.Process().children()
    done = subprocess.run(
        [sys.executable, "-c", TURN, "made_up", system, *measures],
        check=True, capture_output=True, text=True, timeout=60, cwd=REPOSITORY,
        env={"PYTHONPATH": f"{REPOSITORY}:{tmp_path}", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    lines: list[list[str | None]]
    lines, left = json.loads(done.stdout)
    assert left == 0
    assert psutil.Process().children() == before
    return lines


def test_each_measure_has_a_line(tmp_path: Path) -> None:
    assert take(tmp_path, "fine", "start", "stream") == [["start", None], ["stream", None]]


def test_the_start_is_not_told_when_it_is_not_asked_for(tmp_path: Path) -> None:
    assert take(tmp_path, "fine", "stream") == [["stream", None]]


def test_a_measure_that_fails_leaves_the_others(tmp_path: Path) -> None:
    assert take(tmp_path, "fine", "breaks", "stream") == [
        ["breaks", "ValueError: no such thing"], ["stream", None],
    ]  # fmt: skip


def test_a_measure_that_overruns_is_ended_with_its_daemon_and_leaves_the_others(
    tmp_path: Path,
) -> None:
    assert take(tmp_path, "fine", "start", "hangs", "stream") == [
        ["start", None], ["hangs", "took longer than 3 s"], ["stream", None],
    ]  # fmt: skip


def test_a_measure_that_ends_its_process_leaves_the_others(tmp_path: Path) -> None:
    assert take(tmp_path, "whole", "dies", "stream") == [
        ["dies", "out of order"], ["stream", None],
    ]  # fmt: skip


def test_a_system_that_does_not_start_fails_each_measure(tmp_path: Path) -> None:
    error = "ValueError: no such thing"
    assert take(tmp_path, "lame", "start", "stream") == [
        ["start", error], ["stream", f"did not start: {error}"],
    ]  # fmt: skip
