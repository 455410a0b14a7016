"""Programs and commands that start a cluster for themselves, whose tasks another one runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.commands import Process, Shell, Site, wait_until
from support.dask_cluster import DaskCluster
from support.engine_code import require_library, write_code
from support.ray_cluster import READY_SECONDS, is_alive, wait_for_start

PROGRAM = """
import os
import sys

from headrace import Cluster, Executor, Pool

state = "unset"


def initialize(value):
    global state
    state = os.environ["STATE_OF_A_TEST"] = value


def square(number):
    # Where the program's file need not be, a function that travels has globals of its own.
    return number * number, state if engine_is_here() else os.environ["STATE_OF_A_TEST"]


def read_state():
    return state


def engine_is_here():
    return __name__ == "__mp_main__"


def speak(number):
    print("number", number)
    return os.getpid()


if __name__ == "__main__":
    engine = sys.argv[1]
    with Pool(2, initialize, ("set",), engine=engine) as pool:
        assert pool.map(square, range(5)) == [(n * n, "set") for n in range(5)]
        assert sum(n for n, _ in pool.imap_unordered(square, range(10_000))) == 333283335000
        assert os.getpid() not in pool.map(speak, range(3))
        # As docs/engines.md says, a function that travels by itself has the program's own globals.
        assert pool.apply(read_state) == ("unset" if "://" in engine else "set")
        (worker,) = pool.cluster.workers()
        assert (worker.engine, worker.slots) == (engine.partition(":")[0], 2), worker
    with Executor(engine=engine) as executor:
        assert executor.submit(pow, 2, 5).result() == 32
        future = executor.submit(lambda: 1 / 0)
        assert isinstance(future.exception(), ZeroDivisionError)
    with Cluster(engine=engine) as cluster:
        job = cluster.map(lambda number: number + 1, range(5))
        assert list(job.results()) == [1, 2, 3, 4, 5]
        assert job.status.done == 5
    print("all is well")
"""


def run_program(
    folder: Path, engine: str, shell: Shell, source: str = PROGRAM
) -> subprocess.CompletedProcess[str]:
    program = folder / "program.py"
    program.write_text(source)
    return subprocess.run(
        [sys.executable, program, engine],
        check=False, capture_output=True, text=True, cwd=folder, env=shell.environment, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_a_pool_and_an_executor_start_a_cluster_of_this_machine(
    tmp_path: Path, engine: str
) -> None:
    require_library(engine)
    done = run_program(tmp_path, engine, Shell(tmp_path))
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == sorted(
        ["number 0", "number 1", "number 2", "all is well", ""]
    )
    assert done.stderr == ""


def test_a_pool_and_an_executor_use_a_cluster_that_is_there(
    dask_site: tuple[Site, DaskCluster], tmp_path: Path
) -> None:
    site, cluster = dask_site
    done = run_program(tmp_path, f"dask://{cluster.address}", site.shell)
    assert done.returncode == 0, done.stderr
    assert "all is well" in done.stdout
    assert "send each other pickles" in done.stderr


@pytest.mark.parametrize("options", [["--max-rss", "1GiB"], ["--key-guard", "required"]])
@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_options_about_slots_are_refused(tmp_path: Path, engine: str, options: list[str]) -> None:
    refused = Shell(tmp_path).run("worker", "--engine", engine, *options)
    assert refused.code == 2
    assert f"{options[0]} is for the slots of a worker's own pool" in refused.err


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_run_uses_an_engine(tmp_path: Path, engine: str) -> None:
    require_library(engine)
    shell = Shell(tmp_path)
    done = shell.run("run", "primes", "count", "0", "1e7", "--engine", engine)
    assert (done.code, done.out.strip()) == (0, "664579"), done.err


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["--engine", "dask", "--timeout", "5s"], 2, "--timeout cannot be kept: a Dask cluster"),
        (["--engine", "abacus"], 2, "'abacus' is no engine"),
        (["--engine", "dask://127.0.0.1:1"], 69, "no Dask scheduler answers at tcp://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, words: list[str], code: int, why: str) -> None:
    done = Shell(tmp_path).run("run", "primes", "count", "0", "100", *words)
    assert done.code == code
    assert why in done.err
    assert "send each other pickles" not in done.err


DYING_PROGRAM = """
import os
import sys

from headrace import Pool

def die(_):
    os.kill(os.getpid(), 9)

if __name__ == "__main__":
    with Pool(engine=sys.argv[1]) as pool:
        pool.apply(die, (1,))
"""


def test_a_process_that_dies_is_told_as_what_it_is(tmp_path: Path) -> None:
    done = run_program(tmp_path, "dask", Shell(tmp_path), DYING_PROGRAM)
    assert done.returncode == 1
    assert "died while running it" in done.stderr.splitlines()[-1]
    assert "workers died" not in done.stderr


def test_a_scheduler_that_does_not_answer_is_told_once_and_for_how_long(tmp_path: Path) -> None:
    done = run_program(tmp_path, "dask://127.0.0.1:1", Shell(tmp_path), DYING_PROGRAM)
    assert done.returncode == 1
    why = "no Dask scheduler answers at tcp://127.0.0.1:1: no connection could be made"
    assert re.search(rf"{re.escape(why)} \(tried for \d\d s\)\Z", done.stderr.strip())
    assert done.stderr.count(why) == 1


def start_holding(shell: Shell, held: Path, engine: str, function: str, **options: Any) -> Process:
    """Start a run of tasks that do not end, each of which writes a file into ``held``."""
    (shell.home / "held.jsonl").write_text(f"{json.dumps(str(held))}\n" * 10)
    words = ["run", "map", f"deeds_there:{function}", "held.jsonl", "--path", "code"]
    return Process(shell, *words, "--engine", engine, **options)


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_ctrl_c_ends_a_run_and_the_cluster_that_was_started_for_it(
    tmp_path: Path, held: Path, engine: str
) -> None:
    require_library(engine)
    write_code(tmp_path)
    # As in a terminal, where Ctrl-C goes to all processes of the group.
    run = start_holding(Shell(tmp_path), held, engine, "hold", start_new_session=True)
    wait_until(lambda: any(held.iterdir()), READY_SECONDS)
    own = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait() == 130
    assert run.lines == ["headrace: interrupted; nothing of this job is left"]
    wait_until(lambda: not any(is_alive(process) for process in own))


def test_ctrl_c_ends_a_run_whose_ray_cluster_only_starts(tmp_path: Path, held: Path) -> None:
    require_library("ray")
    write_code(tmp_path)
    run = start_holding(Shell(tmp_path), held, "ray", "hold", start_new_session=True)
    own, folder = wait_for_start(run.pid)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait() == 130
    assert [line for line in run.lines if line] == ["headrace: interrupted"]
    wait_until(lambda: not any(is_alive(process) for process in own))
    assert not folder.exists()


def test_ctrl_c_ends_a_run_and_leaves_nothing_on_a_cluster_that_is_there(
    dask_site: tuple[Site, DaskCluster], held: Path
) -> None:
    site, cluster = dask_site
    engine = f"dask://{cluster.address}"
    wait_until(lambda: cluster.count_processes() == 2)
    run = start_holding(site.shell, held, engine, "hold_until_cancelled", start_new_session=True)
    wait_until(lambda: len(list(held.iterdir())) == 2)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait() == 130
    assert run.lines[1:] == ["headrace: interrupted; nothing of this job is left"]
    wait_until(lambda: [one.suffix for one in held.iterdir()] == [".over"] * 2)
    wait_until(lambda: cluster.list_left() == [])


def start_scheduler(folder: Path, shell: Shell, workers: int) -> DaskCluster:
    require_library("dask")
    (folder / "dask").mkdir()
    cluster = DaskCluster(folder / "dask", shell.environment)
    cluster.start_scheduler()
    if workers:
        cluster.add_worker("--nworkers", str(workers))
        wait_until(lambda: cluster.count_processes() == workers)
    return cluster


def test_run_on_a_cluster_without_processes_says_what_it_waits_for(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    cluster = start_scheduler(tmp_path, shell, 0)
    try:
        engine = f"dask://{cluster.address}"
        run = Process(shell, "run", "primes", "count", "0", "1e7", "--engine", engine)
        run.wait_for("send each other pickles")
        told = run.wait_for("headrace: waiting: ")
        assert f"{cluster.title} has no workers: start some" in told
        cluster.add_worker()
        assert run.wait() == 0
    finally:
        cluster.stop()


def test_a_run_whose_cluster_loses_its_processes_says_so_and_goes_on_with_others(
    tmp_path: Path, held: Path
) -> None:
    shell = Shell(tmp_path)
    write_code(tmp_path)
    cluster = start_scheduler(tmp_path, shell, 1)
    try:
        engine = f"dask://{cluster.address}"
        run = start_holding(shell, held, engine, "hold", stdout=subprocess.DEVNULL)
        wait_until(lambda: len(list(held.iterdir())) == 1)
        (first,) = held.iterdir()
        cluster.processes[-1].send_signal(signal.SIGTERM)
        told = run.wait_for("headrace: waiting: ")
        assert "the workers that hold its tasks have no slots at present" in told
        assert f"{cluster.title} has no workers: start some" in told
        (held / "go").touch()
        cluster.add_worker()
        assert run.wait() == 0
        assert "10 tasks, 0 failed" in run.lines[-1]
        assert len(list(held.iterdir())) == 3, f"another process than {first.name} ran them"
    finally:
        cluster.stop()


WAITING_PROGRAM = """
import sys
import time

from headrace import Pool

if __name__ == "__main__":
    with Pool(engine=sys.argv[1]) as pool:
        for _ in pool.imap_unordered(time.sleep, [0.2] * 1000, chunksize=1):
            print("one is done", flush=True)
"""


def test_a_pool_says_that_its_cluster_has_gone(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    cluster = start_scheduler(tmp_path, shell, 1)
    program = tmp_path / "program.py"
    program.write_text(WAITING_PROGRAM)
    try:
        words = [sys.executable, str(program), f"dask://{cluster.address}"]
        said, errors = tmp_path / "said", tmp_path / "errors"
        with said.open("wb") as stdout, errors.open("wb") as stderr:
            run = subprocess.Popen(words, stdout=stdout, stderr=stderr, env=shell.environment)
        try:
            wait_until(lambda: "one is done" in said.read_text())
            cluster.processes[0].kill()
            wait_until(lambda: "are waiting: " in errors.read_text())
        finally:
            run.kill()
            run.wait()
        assert f"{cluster.title} does not answer: start it again" in errors.read_text()
    finally:
        cluster.stop()
