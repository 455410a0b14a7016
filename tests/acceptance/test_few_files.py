"""Processes that may open too few files say so in one line, with the number and what to do."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace_wire.words import count
from headrace_worker.machine.files import FILES_PER_SLOT, OWN_FILES
from support.commands import COMMAND_SECONDS, Finished, Shell, open_site


def allow(files: int) -> Callable[[], None]:
    """What limits a process that is about to start."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))


def run(shell: Shell, files: int, *words: str) -> Finished:
    process = shell.start(*words, preexec_fn=allow(files))
    try:
        out, err = process.communicate(timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Finished(process.returncode, out, err)


def tell(files: int, then: str = "") -> str:
    return f"this process may open only {files} files at once: raise the limit (`ulimit -n`){then}"


@pytest.mark.parametrize("files", [8, 12, 16, 18, 20, 24])
def test_a_coordinator_does_not_start(shell: Shell, tmp_path: Path, files: int) -> None:
    done = run(shell, files, "coordinator", "--bind", "127.0.0.1:0", "--data", str(tmp_path / "a"))
    assert (done.code, done.err) == (2, f"headrace: {tell(files, '; a coordinator needs 32')}\n")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("slots", [1, 3])
def test_a_worker_starts_with_as_many_as_its_slots_need(tmp_path: Path, slots: int) -> None:
    needed = OWN_FILES + FILES_PER_SLOT * slots
    words = ("worker", "--slots", str(slots), "--name", f"few-{slots}")
    with open_site(tmp_path, workers=0) as site:
        done = run(site.shell, needed - 1, *words)
        what = f"; a worker with {count(slots, 'slot')} needs {needed}"
        assert (done.code, done.err) == (2, f"headrace: {tell(needed - 1, what)}\n")
        worker = site.add_worker(*words[1:], preexec_fn=allow(needed))
        counted = site.shell.run("submit", "primes", "count", "0", "1e7")
        assert (counted.code, counted.out) == (0, "664579\n")
        (row,) = json.loads(site.shell.run("workers", "--json").out)
        assert row["slots"] == slots
        assert worker.stop() == 0
        assert not [line for line in worker.lines if "too many" in line.lower()]


@pytest.mark.parametrize("files", [10, 14, 18, 22, 26])
def test_an_embedded_cluster_says_what_it_lacks(shell: Shell, files: int) -> None:
    done = run(shell, files, "run", "primes", "count", "0", "1000", "--slots", "4")
    needed = OWN_FILES + 4 * FILES_PER_SLOT
    what = f"; a worker with 4 slots needs {needed}"
    assert (done.code, done.err) == (2, f"headrace: {tell(files, what)}\n")
