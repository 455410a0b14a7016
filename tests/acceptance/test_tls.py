"""A cluster whose connections are encrypted does all that others do."""

from __future__ import annotations

import asyncio
import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from headrace import AsyncCluster, Cluster, Pool
from support.certificates import Authority
from support.commands import Process, Shell, Site, open_site
from support.places import REPOSITORY

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("tls")

SHOP = """
from headrace import current_cluster

def double(value):
    return value + value

def same(value):
    return value

def count(_):
    return current_cluster().value("counted").add(1)
"""

#: Large enough for many records, and for every buffer on the way to be full.
LARGE = bytes(range(256)) * (32 << 12)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("with spaces in its name")
    (folder / "shop.py").write_text(SHOP)
    with open_site(folder, "--tls", "on", workers=0) as opened:
        opened.coordinator.wait_for("encrypted")
        opened.add_worker("--slots", "1", "--allow", "shop", "--path", str(folder))
        yield opened


@pytest.fixture
def shop(site: Site, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the tasks."""
    monkeypatch.syspath_prepend(str(site.data.parent))
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    return importlib.import_module("shop")


def open_pool(site: Site) -> Pool:
    return Pool(site.address, key_file=site.data / "key", tls="on", task_timeout=60)


def test_pools_make_calls_with_large_values_both_ways(site: Site, shop: Any) -> None:
    with open_pool(site) as pool:
        assert pool.map(shop.double, range(100)) == [2 * number for number in range(100)]
        assert pool.apply(shop.same, (LARGE,)) == LARGE
        assert sorted(pool.map(shop.count, range(5))) == [1, 2, 3, 4, 5]


def test_clusters_submit_and_share_state_and_are_awaited(site: Site) -> None:
    key_file = site.data / "key"

    async def use() -> None:
        async with AsyncCluster(site.address, key_file=key_file) as cluster:
            value = await cluster.value("awaited")
            assert await value.add(2) == 2

    asyncio.run(use())
    with Cluster(site.address, key_file=key_file) as cluster:
        assert cluster.value("awaited").get() == 2
        with cluster.lock("lock"):
            cluster.queue("queue").put(LARGE[: 1 << 20])
        assert cluster.queue("queue").get() == LARGE[: 1 << 20]


def test_commands_find_out_by_themselves(site: Site) -> None:
    done = site.shell.run("submit", "primes", "count", "0", "1e5")
    assert (done.code, done.out.strip()) == (0, "9592")
    assert site.shell.run("health", "--tls", "on").code == 0
    assert site.shell.run("submit", "primes", "count", "0", "1e5", "--tls", "on").code == 0


def test_workers_and_programs_wait_for_a_coordinator_that_is_started_again(
    site: Site, shop: Any
) -> None:
    worker = site.workers[0]
    with open_pool(site) as pool:
        assert pool.apply(shop.double, (1,)) == 2
        site.coordinator.kill()
        site.restart_coordinator()
        assert pool.apply(shop.double, (2,)) == 4
    worker.wait_for("answers again")


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    """Stops what a test has started, also when it fails."""
    with ExitStack() as stack:
        yield stack


def test_certificates_of_ones_own_give_each_side_its_role(shell: Shell, ending: ExitStack) -> None:
    authority = Authority(shell.home)
    server = authority.sign("coordinator", host="localhost")
    (shell.home / "shop.py").write_text(SHOP)
    data = shell.home / "data"
    shell.settings["HEADRACE_TLS_CA"] = str(authority.path)
    coordinator = Process(
        shell, "coordinator", "--bind", "localhost:0", "--no-http", "--data", data,
        "--tls-cert", server,
    )  # fmt: skip
    ending.callback(coordinator.stop)
    port = coordinator.wait_for("queues at").rpartition(":")[2]
    coordinator.wait_for("data in")
    shell.settings["HEADRACE_COORDINATOR"] = f"localhost:{port}"
    worker = Process(
        shell, "worker", "--slots", "1", "--tls-cert", authority.sign("machine-7", "worker"),
        "--key-file", data / "worker.key", "--allow", "shop", "--path", shell.home,
    )  # fmt: skip
    ending.callback(worker.stop)
    worker.wait_for("serves")
    shell.settings["HEADRACE_TLS_CERT"] = str(authority.sign("ann", "client"))
    shell.settings["HEADRACE_KEY_FILE"] = str(data / "client.key")
    (shell.home / "one.jsonl").write_text("1\n")
    done = shell.run("submit", "map", "shop:count", "one.jsonl")  # a task has its worker's
    assert done.code == 0, done.err
    assert done.json()["value"] == 1
    shell.settings["HEADRACE_TLS_CERT"] = str(authority.sign("bob", "observer"))
    refused = shell.run("health")
    assert refused.code == 77
    assert "is one of role observer, and the key that came with it one of role client" in (
        refused.err
    )
    assert worker.stop() == 0
    assert coordinator.stop() == 0


def test_the_certificates_that_the_page_makes_are_taken(shell: Shell, ending: ExitStack) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    page = (REPOSITORY / "docs" / "deploy" / "certificates.md").read_text()
    made = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)[0]
    subprocess.run(
        ["sh", "-e"], input=made, cwd=shell.home, capture_output=True, text=True, check=True
    )
    shell.settings["HEADRACE_TLS_CA"] = "authority.pem"
    coordinator = Process(
        shell, "coordinator", "--bind", "localhost:0", "--no-http", "--data", "data",
        "--tls-cert", "coordinator.pem",
    )  # fmt: skip
    ending.callback(coordinator.stop)
    port = coordinator.wait_for("queues at").rpartition(":")[2]
    coordinator.wait_for("data in")
    shell.settings["HEADRACE_COORDINATOR"] = f"localhost:{port}"
    for name, key in (("coordinator", "key"), ("client", "client.key")):
        asked = ("health", "--tls-cert", f"{name}.pem", "--key-file", f"data/{key}")
        assert "ok; workers: 0" in shell.run(*asked).err
    worker = Process(
        shell, "worker", "--tls-cert", "worker.pem", "--key-file", "data/worker.key", "--slots", "1"
    )
    ending.callback(worker.stop)
    worker.wait_for("serves")
