"""Work that needs more room than there is: it goes on if it can, and otherwise says what helps."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import Process, Shell, open_site
from support.pool_programs import run

#: Eight calls whose inputs and values do not fit on a disk of 8 MiB, and neither do all inputs.
MANY = """
def double(data):
    return data * 2

if __name__ == "__main__":
    with {} as pool:
        print(sum(len(value) for value in pool.map(double, [bytes(1_200_000)] * 8)))
"""

#: A call whose value does not fit there.
LARGE = """
def make(size):
    return bytes(size)

if __name__ == "__main__":
    with {} as pool:
        print([len(value) for value in pool.map(make, [9_000_000])])
"""


@pytest.mark.parametrize("made", ["Pool(2)", "Executor(2)"])
def test_calls_go_on_though_their_inputs_and_values_do_not_all_fit(
    program: Callable[[str], list[str]], small_disk: Path, made: str
) -> None:
    lines, _ = run(program(MANY.format(made)), TMPDIR=str(small_disk))
    assert lines == ["19200000"]


@pytest.mark.parametrize("made", ["Pool(2)", "Executor(2)"])
def test_calls_whose_values_do_not_fit_say_so_and_what_helps(
    program: Callable[[str], list[str]], small_disk: Path, made: str
) -> None:
    with subprocess.Popen(
        program(LARGE.format(made)),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(small_disk)},
    ) as running:
        assert running.stderr
        told = running.stderr.readline()
        running.kill()
    assert "are waiting: " in told
    assert str(small_disk) in told
    assert "set TMPDIR to a folder on a larger disk" in told


def test_run_says_where_its_results_do_not_fit(tmp_path: Path, small_disk: Path) -> None:
    shell = Shell(tmp_path, {"TMPDIR": str(small_disk)})
    running = Process(shell, "run", "primes", "find", "0", "4e8", "-o", tmp_path / "primes")
    try:
        told = running.wait_for("waiting: ")
        assert str(small_disk) in told
        assert "set TMPDIR to a folder on a larger disk" in told
        assert "no worker" not in told
    finally:
        running.send(signal.SIGINT)
        assert running.wait() == 130


def test_a_job_whose_own_results_fill_the_spool_says_what_helps(tmp_path: Path) -> None:
    with open_site(tmp_path, "--spool-limit", "2MB") as site:
        submitted = Process(
            site.shell, "submit", "primes", "find", "0", "1e9", "-o", tmp_path / "p"
        )
        told = submitted.wait_for("waiting: ")
        assert "the results of this job, about " in told
        assert "are kept until it ends" in told
        assert "larger --spool-limit, or cancel or delete the job" in told
        (job,) = site.shell.run("jobs", "--json").json()
        assert "the results of this job" in site.shell.run("job", job["id"]).out
        assert site.shell.run("cancel", job["id"]).code == 0
        submitted.wait()
