"""Shared state between tasks on several workers and programs, while processes are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import KeyRefusedError, Pool
from headrace_wire.address import Address
from headrace_wire.manager import QueueManager
from support.commands import Site, open_site, wait_until
from support.places import REPOSITORY

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("shared")

#: Seconds for what must come.
PATIENCE_SECONDS = 60

MODULE = """
import os
from headrace import current_cluster

def meet(cluster):
    "Go on when two are here."
    if cluster.value("here").add(1) % 2 == 0:
        cluster.event("both").set()
    assert cluster.event("both").wait(30)

def step(lock):
    cluster = current_cluster()
    number = cluster.value("number")
    if not lock:
        seen = number.get()
        meet(cluster)
        number.set(seen + 1)
        return 0
    meet(cluster)
    with cluster.lock("lock") as held:
        number.set(number.get() + 1)
        return held.fencing

def hold(_):
    cluster = current_cluster()
    lock = cluster.lock("lock")
    lock.acquire()
    cluster.value("process").set(os.getpid())
    cluster.event("never").wait()

def take_and_forget(_):
    cluster = current_cluster()
    assert cluster.lock("lock").acquire(timeout=30)
    return cluster.queue("items").get()

def pry(_):
    from headrace_services.this_slot import THIS_SLOT
    cluster = current_cluster()
    cluster.value("seen").set(1)
    with cluster.lock("held"):
        refused = []
    for call in (cluster.jobs, cluster.workers, lambda: cluster.job("a")):
        try:
            call()
        except Exception as error:
            refused.append(type(error).__name__)
    return refused, os.environ.get("HEADRACE_KEY_FILE"), str(vars(THIS_SLOT)), THIS_SLOT.token

def consume(who):
    cluster = current_cluster()
    taken = []
    for item in cluster.queue("items"):
        if item == "poison" and cluster.value("poisoned").add(1) == 1:
            os.kill(os.getpid(), 9)
        cluster.dict("found").add(item)
    return who
"""


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A coordinator, and two workers with a slot each that may call the module and the examples."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "code").mkdir()
    (folder / "code" / "shared_work.py").write_text(MODULE)
    with open_site(folder, "--lease", "3s", workers=0) as site:
        for number in range(2):
            site.add_worker(
                "--name", f"worker-{number}", "--slots", "1", "--path", "code",
                "--path", str(REPOSITORY / "examples"), "--allow", "shared_work",
                "--allow", "lock_and_race", "--allow", "producer_consumer",
            )  # fmt: skip
        sys.path.insert(0, str(folder / "code"))
        try:
            yield site
        finally:
            sys.path.remove(str(folder / "code"))
            sys.modules.pop("shared_work", None)


@pytest.fixture
def site(module_site: Site) -> Iterator[Site]:
    """The same for each test, with nothing that another has left there."""
    yield module_site
    with module_site.open_cluster() as cluster:
        for status in cluster.shared():
            cluster.delete_shared(status.name)


@pytest.fixture
def pool(site: Site) -> Iterator[Pool]:
    with Pool(site.address, key_file=site.data / "key", retries=0) as pool:
        yield pool


def test_without_a_lock_a_step_is_lost_and_with_one_it_is_not(pool: Pool) -> None:
    import shared_work as work  # type: ignore[import-not-found] # noqa: PLC0415 - it has just been written

    number = pool.cluster.value("number")
    pool.map(work.step, [False, False], chunksize=1)
    assert number.get() == 1
    number.set(0)
    assert sorted(pool.map(work.step, [True, True], chunksize=1)) == [1, 2]
    assert number.get() == 2


def test_the_lock_of_a_task_that_is_killed_comes_free_with_a_higher_number(pool: Pool) -> None:
    import shared_work as work  # noqa: PLC0415 - it has just been written

    lock, process = pool.cluster.lock("lock"), pool.cluster.value("process")
    holding = pool.map_async(work.hold, [0])
    wait_until(process.get)
    assert not lock.acquire(block=False)
    os.kill(process.get(), signal.SIGKILL)
    assert lock.acquire(timeout=PATIENCE_SECONDS)
    assert lock.fencing == 2
    lock.release()
    with pytest.raises(Exception, match="SIGKILL"):
        holding.get(PATIENCE_SECONDS)


def test_a_task_that_ends_gives_back_its_lock_and_is_done_with_its_item(pool: Pool) -> None:
    import shared_work as work  # noqa: PLC0415 - it has just been written

    line = pool.cluster.queue("items")
    for item in range(4):
        line.put(item)
    assert sorted(pool.map(work.take_and_forget, range(4), chunksize=1)) == [0, 1, 2, 3]
    line.close()
    assert list(line) == []


def test_an_item_of_a_consumer_that_is_killed_goes_to_another(site: Site) -> None:
    import shared_work as work  # noqa: PLC0415 - it has just been written

    with Pool(site.address, key_file=site.data / "key", retries=1) as pool:
        consumers = pool.map_async(work.consume, ["one", "other"], chunksize=1)
        line = pool.cluster.queue("items", maxsize=4)
        items = [*range(20), "poison", *range(20, 40)]
        for item in items:
            line.put(item)
        line.close()
        assert consumers.get(PATIENCE_SECONDS) == ["one", "other"]
        assert pool.cluster.value("poisoned").get() == 2
        assert dict(pool.cluster.dict("found")) == dict.fromkeys(items, 1)


def test_shared_state_survives_the_coordinator(tmp_path: Path) -> None:
    with open_site(tmp_path, "--lease", "3s", workers=0) as site, site.open_cluster() as cluster:
        lock, line = cluster.lock("lock"), cluster.queue("items", maxsize=9)
        lock.acquire()
        cluster.value("number", 1.5).add(1)
        cluster.list("list").extend(["a", b"b", None])
        cluster.dict("dict")["key", 1] = {"nested": [1, 2]}
        cluster.event("event").set()
        line.put("first")
        line.put("second")
        assert line.get() == "first"
        site.coordinator.kill()
        site.restart_coordinator()
        assert cluster.value("number").add(1) == 3.5
        assert list(cluster.list("list")) == ["a", b"b", None]
        assert dict(cluster.dict("dict")) == {("key", 1): {"nested": [1, 2]}}
        assert cluster.event("event").is_set()
        assert (line.get(), line.maxsize, line.qsize()) == ("second", 9, 0)
        lock.release()
        assert cluster.lock("lock").acquire(block=False)


def test_a_program_that_ends_without_closing_anything_holds_nothing_any_more(
    tmp_path: Path,
) -> None:
    with open_site(tmp_path, "--lease", "1h", workers=0) as site, site.open_cluster() as cluster:
        line = cluster.queue("items")
        line.put(1)
        program = (
            "from headrace.cluster import Cluster; from headrace_wire.key import load_key\n"
            "from headrace_wire.address import parse_address; from pathlib import Path\n"
            f"key = load_key(Path({str(site.data)!r}, 'key'))\n"
            f"cluster = Cluster(parse_address({site.address!r}), key)\n"
            "cluster.lock('lock').acquire(); print(cluster.queue('items').get()); raise KeyError\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
        )
        assert (done.stdout, done.returncode) == ("1\n", 1)
        assert cluster.lock("lock").acquire(block=False)
        line.close()
        assert list(line) == []


def test_shared_objects_are_listed_and_deleted(site: Site) -> None:
    shell = site.shell
    nothing = shell.run("shared", "list")
    assert (nothing.out, nothing.code) == ("", 0)
    with site.open_cluster() as cluster:
        cluster.list("numbers").extend(range(1000))
        cluster.lock("lock").acquire()
        listed = shell.run("shared", "list").out.splitlines()
        assert [line.split()[:3] for line in listed] == [
            ["NAME", "KIND", "ITEMS"], ["lock", "lock", "1"], ["numbers", "list", "1,000"],
        ]  # fmt: skip
        assert shell.run("shared", "delete", "numbers", "lock").code == 0
        assert shell.run("shared", "list", "--json").json() == []
        gone = shell.run("shared", "delete", "numbers")
        assert (gone.code, gone.err) == (2, "headrace: there is no shared object 'numbers'\n")


def run_example(name: str, *arguments: str, key: Path | None = None) -> str:
    settings = {"HEADRACE_KEY_FILE": str(key)} if key else {}
    done = subprocess.run(
        [sys.executable, REPOSITORY / "examples" / f"{name}.py", *arguments],
        check=True, capture_output=True, text=True, timeout=90, env={**os.environ, **settings},
    )  # fmt: skip
    return done.stdout


def test_the_examples_run_on_this_machine() -> None:
    race = run_example("lock_and_race").splitlines()
    assert [line.split()[-3:] for line in race[1:]] == [["40", "of", "40"]] * 2
    assert "40 items taken by 2 consumers" in run_example("producer_consumer")


def test_the_examples_run_on_a_cluster_and_leave_nothing_behind(
    site: Site,
) -> None:
    race = run_example("lock_and_race", site.address, key=site.data / "key").splitlines()
    assert [line.split()[-3:] for line in race[1:]] == [["40", "of", "40"]] * 2
    found = run_example("producer_consumer", site.address, key=site.data / "key")
    assert "perfect numbers up to 40: [6, 28]" in found
    with site.open_cluster() as cluster:
        assert cluster.shared() == ()


def test_a_task_has_shared_state_and_no_key(site: Site) -> None:
    import shared_work as work  # noqa: PLC0415 - as above

    with Pool(site.address, key_file=site.data / "key") as pool:
        refused, variable, slot, token = pool.apply(work.pry, (0,))
        assert refused == ["NotAllowedError"] * 3
        assert variable is None
        assert str(site.data) not in slot
        task = QueueManager(Address("127.0.0.1", site.port), token.encode())
        assert [status.name for status in task.shared().names()] == ["held", "seen"]

    def is_refused() -> bool:
        """Whether the token has ended with its job: what is open is closed, too."""
        try:
            task.shared().names()
        except KeyRefusedError:
            return True
        return False

    wait_until(is_refused)
    task.close()
    with Pool(site.address, key_file=site.data / "key") as pool:  # in the same slots
        assert pool.map(work.pry, [0, 0], chunksize=1)[0][0] == refused
