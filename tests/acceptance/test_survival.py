"""Processes are killed in the middle of a job, and the job is whole all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from headrace.job import Job
from headrace_wire.messages.jobs import SUCCEEDED
from support.commands import Site
from support.probe.headrace_probe import plan

#: Tasks in a job that is disturbed, and what its values are.
TASKS = 200
EXPECTED = {index: str(index * index).encode() for index in range(TASKS)}


class Collector:
    """Collects a job's values in a thread, as a waiting client does."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._cluster = site.open_cluster()
        self.job: Job = self._cluster.submit("probe", plan(TASKS, folder, sleep_seconds=0.01))
        self.values: list[tuple[int, bytes]] = []
        self._some = threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def wait_for_some(self) -> None:
        assert self._some.wait(30), "no value came"

    def finish(self) -> None:
        """Wait for the end; every task has exactly one value, and the right one."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        assert len(self.values) == TASKS
        assert dict(self.values) == EXPECTED
        assert self.job.refresh().state == SUCCEEDED
        self._cluster.close()

    def _collect(self) -> None:
        for pair in self.job.values(ordered=False):
            self.values.append(pair)
            if len(self.values) > TASKS // 10:
                self._some.set()


def test_a_killed_coordinator_comes_back_with_everything(own_site: Site, tmp_path: Path) -> None:
    collector = Collector(own_site, tmp_path / "data")
    for _ in range(2):
        collector.wait_for_some()
        own_site.coordinator.kill()
        own_site.restart_coordinator()
    collector.finish()


def test_a_killed_workers_tasks_go_to_another(own_site: Site, tmp_path: Path) -> None:
    collector = Collector(own_site, tmp_path / "data")
    collector.wait_for_some()
    own_site.workers[0].kill()
    own_site.add_worker("--slots", "1", "--name", "second")
    collector.finish()


def test_a_killed_slot_costs_one_attempt(own_site: Site, tmp_path: Path) -> None:
    collector = Collector(own_site, tmp_path / "data")
    collector.wait_for_some()
    folder = tmp_path / "data"
    for path in folder.iterdir():
        index, dash, process = path.name.partition("-")
        if dash and index.isdigit():
            os.kill(int(process), signal.SIGKILL)
            break
    collector.finish()


def test_a_frozen_worker_that_comes_back_does_no_harm(own_site: Site, tmp_path: Path) -> None:
    collector = Collector(own_site, tmp_path / "data")
    collector.wait_for_some()
    frozen = own_site.workers[0]
    frozen.send(signal.SIGSTOP)
    own_site.add_worker("--slots", "1", "--name", "second")
    collector.finish()
    frozen.send(signal.SIGCONT)
    again = Collector(own_site, tmp_path / "data")
    again.finish()


def test_sigterm_drains_a_worker(own_site: Site, tmp_path: Path) -> None:
    collector = Collector(own_site, tmp_path / "data")
    collector.wait_for_some()
    own_site.add_worker("--slots", "1", "--name", "second")
    family = psutil.Process(own_site.workers[0].pid).children(recursive=True)
    assert own_site.workers[0].stop() == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    collector.finish()
    names = {status["name"] for status in own_site.shell.run("workers", "--json").json()}
    assert names == {"second"}


def test_an_agent_killed_with_9_leaves_no_slot(own_site: Site, tmp_path: Path) -> None:
    collector = Collector(own_site, tmp_path / "data")
    collector.wait_for_some()
    family = psutil.Process(own_site.workers[0].pid).children(recursive=True)
    own_site.workers[0].kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    own_site.add_worker("--slots", "1", "--name", "second")
    collector.finish()


def test_nothing_is_ever_unpickled(own_site: Site, tmp_path: Path) -> None:
    """pickle.loads and ForkingPickler.loads raise in client, coordinator, worker and slots."""
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "sitecustomize.py").write_text(
        "import os, pickle\n"
        "from multiprocessing import reduction\n"
        "def refuse(*args, **kwds):\n"
        "    os.write(2, b'UNPICKLED\\n')\n"
        "    raise AssertionError('unpickled')\n"
        "pickle.loads = refuse\n"
        "reduction.ForkingPickler.loads = staticmethod(refuse)\n"
        "os.environ['TRAP_SET'] = '1'\n"
    )
    shell = own_site.shell
    shell.settings["PYTHONPATH"] += os.pathsep + str(trap)
    check = "import os, pickle; print(os.environ['TRAP_SET'], pickle.loads.__name__)"
    proof = subprocess.run(
        [sys.executable, "-c", check],
        check=True, capture_output=True, text=True, env=shell.environment, timeout=60,
    )  # fmt: skip
    assert proof.stdout == "1 refuse\n"
    for worker in own_site.workers:
        worker.stop()
    own_site.coordinator.stop()
    own_site.restart_coordinator()
    worker = own_site.add_worker("--slots", "2", "--name", "trapped")
    done = shell.run("submit", "primes", "count", "0", "1e8")
    assert (done.code, done.out) == (0, "5761455\n")
    lines = [*worker.lines, *own_site.coordinator.lines, done.err]
    assert not any("UNPICKLED" in line for line in lines)


def test_what_a_worker_could_not_report_before_it_went_is_reported_by_the_next_one(
    own_site: Site, tmp_path: Path
) -> None:
    (tmp_path / "marking.py").write_text(
        "import os, time\n"
        "def mark(folder):\n"
        "    with open(f'{folder}/runs', 'a') as runs:\n"
        "        runs.write('run\\n')\n"
        "    while not os.path.exists(f'{folder}/go'):\n"
        "        time.sleep(0.01)\n"
    )
    options = ["--slots", "1", "--path", str(tmp_path), "--allow", "marking"]
    options += ["--unreported", str(tmp_path / "kept")]
    worker = own_site.add_worker(*options, "--name", "old")
    with own_site.open_cluster() as cluster:
        job = cluster.map("marking:mark", [str(tmp_path)])
        runs = tmp_path / "runs"
        while not runs.exists():
            assert not job.refresh().finished_at
        own_site.coordinator.kill()
        worker.wait_for("went away")
        (tmp_path / "go").touch()
        assert worker.stop() == 0
        worker.wait_for("the outcomes of 1 task are kept in")
        own_site.restart_coordinator()
        own_site.add_worker(*options, "--name", "new")
        assert list(job.results(timeout=30)) == [None]
    assert runs.read_text() == "run\n"
