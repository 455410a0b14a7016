"""What running processes do not import: it would be in memory for as long as they idle."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from support.commands import Process, Shell, open_site, wait_until

#: Python tells of what import statements import, and of nothing that functions do.
SHOP = "import shelf\ndef double(number): return 2 * number\n"

#: What only tasks of some services need, what came with libraries that are no longer used, and
#: what the standard library does with a few lines of ours: each was in an idle process once.
HEAVY = {
    "asyncio",
    "cffi",
    "cloudpickle",
    "concurrent.futures",
    "email",
    "gmpy2",
    "http",
    "importlib.metadata",
    "joblib",
    "multiprocessing.forkserver",
    "numpy",
    "prometheus_client",
    "psutil",
    "pyvips",
    "ssl",
    "xml",
    "zipfile",
}

#: What a client needs, and processes that serve do not.
OF_CLIENTS = {"headrace.cluster", "headrace.cli.session", "headrace.submission"}


def read_imports(process: Process) -> set[str]:
    """The modules that it and its forks imported, and the packages that they are in."""
    names = {
        line.rpartition("|")[2].strip() for line in process.lines if line.startswith("import time:")
    }
    return names | {name.rpartition(".")[0] for name in names}


@pytest.fixture
def shell(shell: Shell) -> Shell:
    shell.settings["PYTHONPROFILEIMPORTTIME"] = "1"
    return shell


def test_help_imports_no_more_than_it_shows(shell: Shell) -> None:
    done = shell.run("--help")
    names = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert "click" in names
    assert not names & (HEAVY | OF_CLIENTS | {"multiprocessing", "msgpack"})


def test_idle_processes_have_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "shelf.py").touch()
    with open_site(tmp_path, "--http", "127.0.0.1:0", workers=0) as site:
        site.shell.settings["PYTHONPROFILEIMPORTTIME"] = "1"
        site.coordinator.stop()
        site.restart_coordinator()
        worker = site.add_worker("--slots", "2", "--allow", "shop", "--path", str(tmp_path))
        del site.shell.settings["PYTHONPROFILEIMPORTTIME"]
        done = site.shell.run("submit", "map", "shop:double", "-", stdin="1\n2\n")
        assert done.code == 0, done.err
        assert "headrace_coordinator.metrics" in read_imports(site.coordinator)
        assert {"headrace_worker.agent", "shelf"} <= read_imports(worker)
        for process in (site.coordinator, worker):
            assert not read_imports(process) & (HEAVY | OF_CLIENTS)


def test_a_worker_is_an_agent_a_fork_server_and_slots(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        worker = site.add_worker("--slots", "2")
        (server,) = psutil.Process(worker.pid).children()
        assert server.name() == "headrace-forks"
        wait_until(lambda: len(server.children()) == 2)
        assert {slot.name() for slot in server.children()} == {"headrace-slot-1", "headrace-slot-2"}


def test_slots_share_what_the_worker_had_imported(tmp_path: Path) -> None:
    """The fork server is a fork; another interpreter would have a copy of everything."""
    with open_site(tmp_path, workers=0) as site:
        worker = site.add_worker("--slots", "1")
        (server,) = psutil.Process(worker.pid).children()
        assert server.cmdline() == psutil.Process(worker.pid).cmdline()


def test_a_worker_whose_fork_server_was_killed_starts_another(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        worker = site.add_worker("--slots", "1")
        (server,) = psutil.Process(worker.pid).children()
        wait_until(server.children)
        (slot,) = server.children()
        server.kill()
        done = site.shell.run("submit", "primes", "count", "0", "100")
        assert done.out == "25\n"
        assert slot.is_running()
        slot.kill()
        done = site.shell.run("submit", "primes", "count", "0", "1000")
        assert done.out == "168\n"
        (another,) = psutil.Process(worker.pid).children()
        assert another.name() == "headrace-forks"
        assert another != server
