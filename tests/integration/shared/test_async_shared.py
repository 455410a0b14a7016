"""Shared state for programs with an event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headrace import AsyncCluster, Cluster
from headrace.shared import ABSENT
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.errors import (
    ClosedError,
    QueueClosedError,
    SharedKindError,
    UnknownSharedError,
    UsageError,
)
from support.coordinators import run_coordinator
from support.event_loops import cancel, in_event_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Seconds for what must not take long.
SOON = 30.0


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[CoordinatorSettings]:
    chosen = CoordinatorSettings(
        tmp_path / "data", tmp_path / "key", bind=Address("127.0.0.1", 0), http=None
    )
    with run_coordinator(chosen) as coordinator:
        yield CoordinatorSettings(chosen.data, chosen.key_file, bind=coordinator.bound, http=None)


@asynccontextmanager
async def open_cluster(settings: CoordinatorSettings) -> AsyncIterator[AsyncCluster]:
    async with AsyncCluster(settings.bind, key_file=settings.key_file) as cluster:
        yield cluster


@in_event_loop
async def test_a_value_is_read_and_changed(settings: CoordinatorSettings) -> None:
    async with open_cluster(settings) as cluster:
        hits = await cluster.value("hits", 5)
        assert await hits.get() == 5
        assert await asyncio.gather(*(hits.add() for _ in range(20))) is not None
        assert await hits.get() == 25
        await hits.set({"a": [1, 2]})
        assert not await hits.compare_and_set(25, 0)
        assert await hits.compare_and_set({"a": [1, 2]}, "text")
        assert await (await cluster.value("hits")).get() == "text"
        with pytest.raises(UsageError):
            await hits.add(1)


@in_event_loop
async def test_a_program_without_an_event_loop_sees_the_same(settings: CoordinatorSettings) -> None:
    async with open_cluster(settings) as cluster:
        await (await cluster.dict("stock")).set("tea", 3)

        def look() -> list[tuple[str, int]]:
            with Cluster(settings.bind, key_file=settings.key_file) as other:
                return list(other.dict("stock").items())

        assert await asyncio.to_thread(look) == [("tea", 3)]
        assert [status.name for status in await cluster.shared()] == ["stock"]
        with pytest.raises(SharedKindError):
            await cluster.list("stock")
        await cluster.delete_shared("stock")
        with pytest.raises(UnknownSharedError):
            await cluster.delete_shared("stock")


@in_event_loop
async def test_a_dict_does_what_a_dict_does(settings: CoordinatorSettings) -> None:
    async with open_cluster(settings) as cluster:
        stock = await cluster.dict("stock")
        await stock.update({"tea": 3}, milk=2)
        await stock.set(("a", 1), None)
        assert await stock.get("tea") == 3
        assert await stock.get("sugar", 7) == 7
        assert await stock.contains(("a", 1))
        assert [key async for key in stock] == ["tea", "milk", ("a", 1)]
        assert [value async for value in stock.values()] == [3, 2, None]
        assert await stock.popitem() == (("a", 1), None)
        assert await stock.add("tea", 4) == 7
        assert await stock.setdefault("milk", 9) == 2
        assert await stock.update_if("sugar", ABSENT, 1)
        assert await stock.update_if("sugar", 1, ABSENT)
        assert not await stock.update_if("sugar", 1, 2)
        assert await stock.pop("milk") == 2
        assert await stock.pop("milk", None) is None
        with pytest.raises(KeyError):
            await stock.pop("milk")
        assert await stock.copy() == {"tea": 7}
        await stock.clear()
        assert await stock.size() == 0
        with pytest.raises(KeyError):
            await stock.popitem()
        with pytest.raises(TypeError):
            await stock.set([1], 1)


@in_event_loop
async def test_a_list_does_what_a_list_does(settings: CoordinatorSettings) -> None:
    async with open_cluster(settings) as cluster:
        names = await cluster.list("names")
        await names.extend(range(12_000))
        assert await names.copy() == list(range(12_000))
        await names.clear()
        await names.extend("bc")
        await names.insert(0, "a")
        await names.append(1)
        assert await names.add(-1, 4) == 5
        await names.set(1, "B")
        assert await names.get(1) == "B"
        assert await names.pop() == 5
        await names.reverse()
        assert [one async for one in names] == ["c", "B", "a"]
        assert await names.size() == 3
        for refused in (names.get(3), names.set(3, 0), names.pop(-4), names.add(9)):
            with pytest.raises(IndexError):
                await refused
        await names.delete()
        await names.delete()


@in_event_loop
async def test_an_event_wakes_those_who_wait(settings: CoordinatorSettings) -> None:
    async with open_cluster(settings) as cluster:
        start = await cluster.event("start")
        assert not await start.wait(0)
        assert not await start.wait(0.1)
        waits = [asyncio.create_task(start.wait()) for _ in range(40)]
        done, _ = await asyncio.wait(waits, timeout=0.2)
        assert not done
        before = threading.active_count()
        async with asyncio.timeout(SOON):
            await start.set()
            assert all(await asyncio.gather(*waits))
        assert threading.active_count() <= before
        assert await start.is_set()
        await start.clear()
        assert not await start.is_set()


@in_event_loop
async def test_one_holder_at_a_time_has_a_lock(settings: CoordinatorSettings) -> None:
    async with open_cluster(settings) as cluster, open_cluster(settings) as other:
        mine, theirs = await cluster.lock("door"), await other.lock("door")
        with pytest.raises(ValueError, match="not held"):
            await mine.release()
        async with mine:
            assert await mine.is_mine()
            assert await theirs.locked()
            assert not await theirs.acquire(block=False)
            assert not await theirs.acquire(timeout=0.1)
            waiting = asyncio.create_task(theirs.acquire())
            await asyncio.wait([waiting], timeout=0.2)
            first = mine.fencing
        assert await waiting
        assert theirs.fencing > first
        assert not await mine.is_mine()


@in_event_loop
async def test_a_wait_for_a_lock_that_was_cancelled_does_not_take_it(
    settings: CoordinatorSettings,
) -> None:
    async with open_cluster(settings) as cluster:
        lock, another = await cluster.lock("door"), await cluster.lock("door")
        async with lock:
            waiting = asyncio.create_task(another.acquire())
            await asyncio.wait([waiting], timeout=0.2)
            await cancel(waiting)
        assert await (await cluster.lock("door")).acquire(timeout=SOON)


@in_event_loop
async def test_a_lock_comes_free_when_its_cluster_is_closed(settings: CoordinatorSettings) -> None:
    async with open_cluster(settings) as cluster:
        assert await (await cluster.lock("door")).acquire()
        value = await cluster.value("left")
    with pytest.raises(ClosedError):
        await value.get()
    async with open_cluster(settings) as cluster:
        assert await (await cluster.lock("door")).acquire(timeout=1)


@in_event_loop
async def test_items_of_a_queue_go_to_one_task_each(settings: CoordinatorSettings) -> None:
    async with open_cluster(settings) as cluster:
        work = await cluster.queue("work", maxsize=3)
        taken: list[int] = []

        async def consume() -> None:
            async for item in work:
                taken.append(item)  # noqa: PERF401 - what others take comes between

        consumers = [asyncio.create_task(consume()) for _ in range(3)]
        for item in range(30):
            await work.put(item)
        await work.close()
        async with asyncio.timeout(SOON):
            await asyncio.gather(*consumers)
        assert sorted(taken) == list(range(30))
        with pytest.raises(QueueClosedError):
            await work.put(1)


@in_event_loop
async def test_a_queue_has_an_end_and_a_start(settings: CoordinatorSettings) -> None:
    async with open_cluster(settings) as cluster:
        work = await cluster.queue("work", maxsize=1)
        with pytest.raises(queue.Empty):
            await work.get(block=False)
        with pytest.raises(queue.Empty):
            await work.get(timeout=0.1)
        await work.put("item")
        assert await work.full()
        with pytest.raises(queue.Full):
            await work.put("more", timeout=0.1)
        assert await work.get() == "item"
        assert await work.empty()
        assert not await work.join(0.1)
        await work.task_done()
        assert await work.join()
        with pytest.raises(TypeError, match="maxsize is how many"):
            await cluster.queue("work", maxsize="3")  # type: ignore[arg-type] # what is to be refused


@in_event_loop
async def test_an_item_that_came_for_a_wait_that_was_cancelled_is_not_lost(
    settings: CoordinatorSettings,
) -> None:
    async with open_cluster(settings) as cluster:
        work = await cluster.queue("work")
        waiting = asyncio.create_task(work.get())
        await asyncio.wait([waiting], timeout=0.2)
        await cancel(waiting)
        await work.put("item")
        async with asyncio.timeout(SOON):
            assert await work.get() == "item"
