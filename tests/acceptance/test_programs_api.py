"""Programs that use ``Cluster``, ``Pool`` and ``Executor`` against a cluster with two workers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from headrace import AsyncCluster, Cluster, Executor, Pool, SubmitOptions
from headrace.streams import receiver
from headrace_services.permits import RefusedError
from headrace_services.primes import plan_count, plan_find
from headrace_wire.errors import (
    JobStateError,
    TaskFailedError,
    UnreachableError,
    UsageError,
    WaitTimedOutError,
)
from headrace_wire.messages.jobs import CANCELLED, SUCCEEDED
from support.commands import Site, open_site, wait_until

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("programs_api")

#: A module of a user's own, on the workers' path alone.
SHOP = """
import os, time
def weigh(item): return {"item": item, "grams": 10 * item}
def doze(seconds): time.sleep(seconds); return seconds
def wait_for(path):
    while not os.path.exists(path): time.sleep(0.01)
    return path
def mark(path, seconds):
    open(path, "w").close()
    time.sleep(seconds)
    return os.getpid()
def negate(number): return -number
def multiply(a, b): return a * b
def fail(item): raise LookupError(f"no {item}")
STOCK = {}
def stock(name): STOCK["name"] = name
def look(item): return STOCK.get("name")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("programs")
    shop = folder / "shop"
    shop.mkdir()
    (shop / "shop.py").write_text(SHOP)
    with open_site(folder, workers=0) as opened:
        for number in range(2):
            opened.add_worker(
                "--slots", "1", "--name", f"worker-{number}", "--path", str(shop),
                "--allow", "shop", "--allow", "time",
            )  # fmt: skip
        yield opened


@pytest.fixture
def cluster(site: Site) -> Iterator[Cluster]:
    with Cluster(site.address, key_file=site.data / "key") as opened:
        yield opened


@pytest.fixture
def pool(site: Site) -> Iterator[Pool]:
    with Pool(site.address, key_file=site.data / "key") as opened:
        yield opened


def test_a_job_is_an_object(cluster: Cluster) -> None:
    job = cluster.submit("primes", plan_count(0, 10**8))
    assert job.wait(30).state == SUCCEEDED
    assert (job.progress, job.is_over) == (1.0, True)
    assert job.result() == 5_761_455
    found = cluster.submit("primes", plan_find(0, 30)).result()
    assert found.split() == b"2 3 5 7 11 13 17 19 23 29".split()


def test_results_of_calls_come_decoded_and_in_order(cluster: Cluster) -> None:
    job = cluster.map("shop:weigh", range(50), SubmitOptions(name="scales"))
    assert list(job.results()) == [{"item": item, "grams": 10 * item} for item in range(50)]
    again = cluster.job(job.id)
    assert (again.status.name, len(list(again.results(ordered=False)))) == ("scales", 50)


def test_results_end_with_what_failed(cluster: Cluster) -> None:
    job = cluster.map("shop:fail", ["tea", "milk"])
    with pytest.raises(TaskFailedError, match=r"2 of 2 tasks .* task 0 .*fail\('tea'\).*: no tea"):
        list(job.results())


def test_a_wait_has_a_limit_and_a_job_can_be_cancelled(cluster: Cluster) -> None:
    job = cluster.map("shop:doze", [60, 60])
    with pytest.raises(WaitTimedOutError):
        job.wait(0.3)
    assert not job.is_over
    assert job.cancel().state == CANCELLED


def test_a_job_is_watched_until_it_ends(cluster: Cluster) -> None:
    job = cluster.map("shop:doze", [0.2, 0.2, 0.2])
    seen = [status.done for status in job.progress()]
    assert (seen[-1], sorted(seen)) == (3, seen)
    assert [status.state for status in job.progress()] == [SUCCEEDED], "it has ended"
    assert (job.progress, f"{job.progress:.0%}") == (1.0, "100%")
    assert f"<Job {job.id} succeeded: calls shop:doze, 3 of 3 tasks done>" == repr(job)


def test_a_watch_has_a_limit(cluster: Cluster) -> None:
    job = cluster.map("shop:doze", [60])
    with pytest.raises(WaitTimedOutError):
        list(job.progress(0.3))
    job.cancel()


def test_a_cluster_that_is_away_is_shown_without_waiting_for_it(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site, site.open_cluster() as cluster:
        assert "0 workers" in cluster._repr_html_()
        site.coordinator.stop()
        assert "no coordinator answers" in cluster._repr_html_()
        assert repr(cluster) == f"<Cluster at {site.address}>"


def test_the_same_with_await(site: Site) -> None:
    async def use() -> tuple[list[int], object, float]:
        async with AsyncCluster(site.address, key_file=site.data / "key") as cluster:
            job = await cluster.map("shop:negate", range(5))
            values = [value async for value in job.results()]
            count = await cluster.submit("primes", plan_count(0, 1000))
            async for status in count.progress():
                assert status.id == count.id
            return values, await count.result(), count.progress

    assert asyncio.run(use()) == ([0, -1, -2, -3, -4], 168, 1.0)


def test_results_are_written_with_await_and_a_cancelled_one_leaves_no_file(
    site: Site, tmp_path: Path
) -> None:
    large = "x" * 200_000

    async def use() -> tuple[object, list[object]]:
        async with AsyncCluster(site.address, key_file=site.data / "key") as cluster:
            job = await cluster.map("shop:weigh", [large, 1])
            result = await job.result(tmp_path / "whole.jsonl")
            endless = await cluster.map("shop:doze", [60])
            writing = asyncio.create_task(endless.result(tmp_path / "none.jsonl"))
            await asyncio.wait([writing], timeout=0.2)
            writing.cancel()
            await asyncio.wait([writing])
            assert writing.cancelled()
            await endless.cancel()
            return result, [value async for value in job.results()]

    result, values = asyncio.run(use())
    assert values == [{"item": large, "grams": large * 10}, {"item": 1, "grams": 10}]
    assert result == {"values": 2, "path": str(tmp_path / "whole.jsonl")}
    assert [path.name for path in tmp_path.glob("*.jsonl*")] == ["whole.jsonl"]
    assert (tmp_path / "whole.jsonl").read_text().count("\n") == 2


def test_a_pool_on_a_cluster_calls_by_name(pool: Pool) -> None:
    assert pool.map("shop:negate", range(100)) == [-item for item in range(100)]
    assert pool.starmap("shop:multiply", [(2, 3), (4, 5)]) == [6, 20]
    assert pool.apply("shop:weigh", (3,)) == {"item": 3, "grams": 30}
    assert list(pool.imap("shop:negate", range(9))) == [-item for item in range(9)]


@pytest.mark.parametrize("how", ["lambda", "closure", "main"])
def test_a_function_without_a_name_is_refused_at_the_call(pool: Pool, how: str) -> None:
    def closure(item: int) -> int:
        return item

    function = {"lambda": lambda item: item, "closure": closure, "main": "__main__:f"}[how]
    with pytest.raises(UsageError, match=r"lambda|defined inside a function|__main__"):
        pool.map_async(function, [1])  # type: ignore[arg-type] # any of them


def test_what_cannot_travel_is_named_by_its_place(pool: Pool) -> None:
    with pytest.raises(TypeError, match=r"item 1, \['a'\]\[0\]"):
        pool.map("shop:negate", [{"a": [1]}, {"a": [threading.Lock()]}])


def test_what_workers_do_not_allow_says_what_to_do(pool: Pool) -> None:
    with pytest.raises(Exception, match="not allowed on this worker: start it with --allow"):
        pool.apply("subprocess:getoutput", ("id",))


def test_pickle_is_refused_by_workers_that_do_not_allow_it(site: Site) -> None:
    with (
        Pool(site.address, key_file=site.data / "key", serializer="cloudpickle") as pool,
        pytest.raises(Exception, match="start it with --allow-pickle"),
    ):
        pool.apply(lambda: 1)


def test_nobody_at_the_address_is_told_at_once(site: Site) -> None:
    with pytest.raises(UnreachableError):
        Pool("127.0.0.1:9", key_file=site.data / "key")


def test_a_pool_that_is_left_leaves_no_job(site: Site, cluster: Cluster) -> None:
    before = {status.id for status in cluster.jobs()}
    with Pool(site.address, key_file=site.data / "key") as pool:
        pool.map_async("shop:doze", [60] * 4)
        pool.apply_async("shop:doze", (60,))
        wait_until(lambda: len({status.id for status in cluster.jobs()} - before) == 2)
    wait_until(lambda: {status.id for status in cluster.jobs()} == before)
    wait_until(lambda: not any(status.busy for status in cluster.workers()))


def test_threads_that_wait_for_calls_receive_for_each_other(pool: Pool, tmp_path: Path) -> None:
    """Whoever waits receives what is for all; those who do not wait have their results, too."""
    later = pool.apply_async("shop:negate", (1000,))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: pool.apply("shop:negate", (n,)), range(200)))
        assert found == [-number for number in range(200)]
        assert later.get(30) == -1000
        sign = tmp_path / "go on"
        slow = threads.submit(pool.apply, "shop:wait_for", (str(sign),))
        assert [pool.apply("shop:negate", (n,)) for n in range(20)] == [-n for n in range(20)]
        assert not slow.done()
        sign.touch()
        assert slow.result(30) == str(sign)


def test_a_call_that_was_interrupted_leaves_the_pool_as_it_was(pool: Pool) -> None:
    assert pool.apply("shop:negate", (1,)) == -1
    main = threading.main_thread().ident
    assert main
    timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        pool.apply("shop:doze", (1.0,))
    assert [pool.apply("shop:negate", (n,)) for n in range(20)] == [-n for n in range(20)]


def test_a_call_ends_when_its_pool_does(site: Site, cluster: Cluster) -> None:
    with Pool(site.address, key_file=site.data / "key") as pool, ThreadPoolExecutor(1) as threads:
        assert pool.apply("shop:negate", (1,)) == -1
        waits = threads.submit(pool.apply, "shop:doze", (60,))
        wait_until(lambda: any(status.busy for status in cluster.workers()))
        pool.terminate()
        with pytest.raises(JobStateError, match="its pool is gone"):
            waits.result(10)


def test_a_pool_that_waits_for_nothing_is_heard_of(
    site: Site, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count_results() -> int:
        with contextlib.closing(sqlite3.connect(site.data / "headrace.db")) as store:
            (count,) = store.execute("SELECT count(*) FROM results").fetchone()
            return int(count)

    before = count_results()
    monkeypatch.setattr(receiver, "IDLE_SECONDS", 1.0)
    assert pool.apply("shop:negate", (1,)) == -1
    assert count_results() == before + 1
    wait_until(lambda: count_results() == before)


def test_a_running_call_is_cancelled_only_with_kill(site: Site, tmp_path: Path) -> None:
    marks = [tmp_path / name for name in ("a", "b", "ahead", "held")]
    with Executor(site.address, key_file=site.data / "key") as executor:
        futures = [executor.submit("shop:mark", str(mark), 20) for mark in marks]
        wait_until(lambda: marks[0].exists() and marks[1].exists())
        assert not futures[0].cancel()
        assert futures[3].cancel(), "one call beyond the slots is handed over, and this is another"
        assert futures[3].cancelled()
        assert futures[2].cancel(kill=True), "both slots are busy: it cannot have started"
        assert futures[0].cancel(kill=True)
        assert futures[1].cancel(kill=True)
        assert executor.submit("shop:negate", 1).result(30) == -1
    assert not marks[2].exists()
    assert not marks[3].exists()


def test_initializers_run_once_in_each_slot(site: Site) -> None:
    with ThreadPoolExecutor(2) as threads:

        def count(_: int) -> int:
            with Pool(site.address, "time:sleep", (0.01,), key_file=site.data / "key") as pool:
                return sum(pool.imap_unordered("shop:negate", [-1] * 50))

        assert list(threads.map(count, range(2))) == [50, 50]


@pytest.mark.slow
def test_an_endless_generator_with_a_slow_consumer_does_not_grow(site: Site) -> None:
    """200,000 items: neither the client nor the coordinator keeps what has gone by."""
    coordinator = psutil.Process(site.coordinator.pid)
    client = psutil.Process()
    with Pool(site.address, key_file=site.data / "key") as pool:
        results = pool.imap_unordered("shop:negate", itertools.count())
        marks: list[tuple[int, int]] = []
        for number, _ in enumerate(itertools.islice(results, 200_000)):
            if number % 40_000 == 20_000:
                time.sleep(0.3)  # a consumer that is slower than the workers now and then
                marks.append((coordinator.memory_info().rss, client.memory_info().rss))
    for later in marks[1:]:  # 40 bytes for each item would be too much
        assert later[0] - marks[0][0] < 6 << 20, marks
        assert later[1] - marks[0][1] < 6 << 20, marks


def test_an_initializer_belongs_to_its_pool(site: Site) -> None:
    key = site.data / "key"
    pools = [
        Pool(site.address, key_file=key, initializer="shop:stock", initargs=(name,))
        for name in ("a", "b")
    ]
    with pools[0] as first, pools[1] as second, Pool(site.address, key_file=key) as third:
        for _ in range(2):
            assert set(first.map("shop:look", range(20))) == {"a"}
            assert set(second.map("shop:look", range(20))) == {"b"}
            assert set(third.map("shop:look", range(20))) == {None}
        asked = [pool.map_async("shop:look", range(3000)) for pool in (first, second, third)]
        assert [set(result.get(60)) for result in asked] == [{"a"}, {"b"}, {None}]
    with Executor(
        site.address, key_file=key, initializer="shop:stock", initargs=("e",)
    ) as executor:
        assert {executor.submit("shop:look", item).result() for item in range(5)} == {"e"}


def test_a_module_that_changes_on_the_disk_is_loaded_again(site: Site, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    module = code / "changing.py"
    module.write_text("import helping\ndef tell(): return 'first', helping.WORD\n")
    (code / "helping.py").write_text("WORD = 'a'\n")
    (tmp_path / "site").mkdir()
    with open_site(tmp_path / "site", workers=0) as own:
        own.add_worker("--slots", "1", "--path", str(code), "--allow", "changing")
        with Pool(own.address, key_file=own.data / "key") as pool:
            assert pool.apply("changing:tell") == ("first", "a")
            module.write_text("import helping\ndef tell(): return 'the second', helping.WORD\n")
            assert pool.apply("changing:tell") == ("the second", "a")
            (code / "helping.py").write_text("WORD = 'another'\n")
            assert pool.apply("changing:tell") == ("the second", "another")
            module.write_text("import helping\n\nundefined_name\n")
            with pytest.raises(RefusedError, match=r"changing\.py, line 3: NameError"):
                pool.apply("changing:tell")
            module.write_text("def broken(:\n")
            with pytest.raises(RefusedError, match=r"changing\.py, line 1: SyntaxError"):
                pool.apply("changing:tell")
            module.write_text("def tell(): return 'well again'\n")
            assert pool.apply("changing:tell") == "well again"
