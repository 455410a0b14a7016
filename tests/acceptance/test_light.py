"""What running processes do not import: it would be in memory for as long as they idle."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.commands import Process, Shell, Site, open_site, wait_until

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("light")

#: Python tells of what import statements import, and of nothing that functions do.
SHOP = "import shelf\ndef double(number): return 2 * number\n"

#: Has a process tell on standard error what it imports.
TELLING = {"PYTHONPROFILEIMPORTTIME": "1"}

#: What only tasks of some services need, and what only people look at: no idle process has it.
HEAVY = {
    "cffi",
    "cloudpickle",
    "gmpy2",
    "h11",
    "jinja2",
    "joblib",
    "multiprocessing.forkserver",
    "numpy",
    "pyvips",
    "rich",
    "starlette",
    "stringprep",
    "uvicorn",
    "xml",
}

#: What only a coordinator needs that is scraped.
OF_METRICS = {"http.server", "prometheus_client"}

#: The most memory in MiB that idle processes have: of a program with an embedded pool of two slots,
#: and of a coordinator and a worker with as many.
MOST_POOL_MIB = 80
MOST_SITE_MIB = 80

#: What a client needs, and processes that serve do not.
OF_CLIENTS = {"headrace.cluster", "headrace.cli.session", "headrace.submission"}


def read_imports(process: Process) -> set[str]:
    """The modules that it and its forks imported, and the packages that they are in."""
    names = {
        line.rpartition("|")[2].strip() for line in process.lines if line.startswith("import time:")
    }
    return names | {name.rpartition(".")[0] for name in names}


def measure_mib(pid: int) -> float:
    """What a process and its children have in memory, each with its part of what they share.

    Pages of files are left out: how many of them a process is charged depends on how many other
    processes of the machine run the same Python at that moment.
    """
    family = psutil.Process(pid)
    members = [family, *family.children(recursive=True)]
    told = [Path(f"/proc/{member.pid}/smaps_rollup").read_text() for member in members]
    kib = re.findall(r"^Pss_(?:Anon|Shmem): +(\d+) kB$", "".join(told), re.MULTILINE)
    assert len(kib) == 2 * len(members)
    return sum(map(int, kib)) / 1024


@pytest.fixture
def shell(shell: Shell) -> Shell:
    shell.settings |= TELLING
    return shell


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A coordinator and a worker with two slots, for tests that leave them as they are."""
    folder = tmp_path_factory.mktemp("light")
    (folder / "shop.py").write_text(SHOP)
    (folder / "shelf.py").touch()
    with open_site(folder, workers=0) as opened:
        opened.add_worker("--slots", "2", "--allow", "shop", "--path", str(folder))
        yield opened


#: A client that ran a task, and what it has in memory then, of the standard library and ours.
CLIENT = """
import json, sys
from headrace import Pool

with Pool(sys.argv[1], key_file=sys.argv[2]) as pool:
    value = pool.apply("shop:double", (21,))
print(json.dumps([value, sorted(sys.modules)]))
"""

#: A program with an embedded pool that has worked, and waits until it is told to end.
PROGRAM = """
import sys
from headrace import Pool

with Pool(2) as pool:
    print(pool.apply(abs, (-3,)), flush=True)
    sys.stdin.read()
"""


def test_help_imports_no_more_than_it_shows(shell: Shell) -> None:
    done = shell.run("--help")
    names = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert "click" in names
    unneeded = {"asyncio", "importlib.metadata", "multiprocessing", "msgpack", "psutil", "ssl"}
    assert not names & (HEAVY | OF_CLIENTS | OF_METRICS | unneeded)


def test_idle_processes_have_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "shelf.py").touch()
    with open_site(tmp_path, "--http", "127.0.0.1:0", workers=0, settings=TELLING) as site:
        worker = site.add_worker("--slots", "2", "--allow", "shop", "--path", str(tmp_path))
        site.shell.settings.pop(*TELLING)
        done = site.shell.run("submit", "map", "shop:double", "-", stdin="1\n2\n")
        assert done.code == 0, done.err
        assert read_imports(site.coordinator) >= OF_METRICS
        assert {"headrace_worker.leaser", "shelf"} <= read_imports(worker)
        for process in (site.coordinator, worker):
            assert not read_imports(process) & (HEAVY | OF_CLIENTS)
        assert not read_imports(worker) & OF_METRICS


def test_a_coordinator_that_nobody_scrapes_has_no_metrics(tmp_path: Path) -> None:
    with open_site(tmp_path, "--no-http", workers=0, settings=TELLING) as site:
        site.add_worker("--slots", "1")
        assert site.shell.run("submit", "primes", "count", "0", "100").out == "25\n"
        assert "headrace_coordinator.coordinator" in read_imports(site.coordinator)
        assert not read_imports(site.coordinator) & OF_METRICS


def test_a_client_has_nothing_that_it_does_not_need(site: Site) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, site.address, site.data / "key"],
        check=True, stdout=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    value, modules = json.loads(done.stdout)
    assert value == 42
    assert not (HEAVY | OF_METRICS | {"click", "importlib.metadata", "psutil"}) & set(modules)


def test_coordinator_worker_and_two_slots_take_little_memory(tmp_path: Path) -> None:
    with open_site(tmp_path, "--http", "127.0.0.1:0", workers=0) as site:
        worker = site.add_worker("--slots", "2")
        assert site.shell.run("submit", "primes", "count", "0", "1000").out == "168\n"
        pids = (site.coordinator.pid, worker.pid)
        wait_until(lambda: sum(map(measure_mib, pids)) < MOST_SITE_MIB)


def test_an_embedded_pool_takes_little_memory() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdout
        assert program.stdout.readline() == "3\n"
        wait_until(lambda: measure_mib(program.pid) < MOST_POOL_MIB)
        program.communicate("")


def test_a_worker_is_an_agent_a_fork_server_and_slots(site: Site) -> None:
    (server,) = psutil.Process(site.workers[0].pid).children()
    assert server.name() == "headrace-forks"
    slots = {"headrace-slot-1", "headrace-slot-2"}
    wait_until(lambda: {slot.name() for slot in server.children()} == slots)


def test_slots_share_what_the_worker_had_imported(site: Site) -> None:
    """The fork server is a fork; another interpreter would have a copy of everything."""
    worker = psutil.Process(site.workers[0].pid)
    (server,) = worker.children()
    assert server.cmdline() == worker.cmdline()


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
