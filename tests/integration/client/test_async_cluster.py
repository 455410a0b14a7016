"""A cluster for programs with an event loop: waits take no threads, and end when cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from headrace import AsyncCluster, UnknownWorkerError, UnreachableError, WaitTimedOutError
from headrace.async_job import AsyncJob
from headrace_coordinator.settings import CoordinatorSettings
from headrace_services.service import Plan
from headrace_wire.address import Address
from headrace_wire.errors import ClosedError, KeyRefusedError, UnknownJobError, UsageError
from headrace_wire.messages.jobs import CANCELLED
from support.coordinators import run_coordinator
from support.event_loops import cancel, in_event_loop

#: More than asyncio's executor has threads on any machine: at most 32.
MANY = 40

#: Seconds for what must not take long.
SOON = 5.0


class Place:
    """A coordinator without workers."""

    def __init__(self, folder: Path) -> None:
        self.settings = CoordinatorSettings(
            folder / "data", folder / "key", bind=Address("127.0.0.1", 0), http=None
        )
        self._running = ExitStack()
        self.start()

    def start(self) -> None:
        self.address = self._running.enter_context(run_coordinator(self.settings)).bound
        self.settings = replace(self.settings, bind=self.address)

    def stop(self) -> None:
        self._running.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncCluster]:
        async with AsyncCluster(str(self.address), key_file=self.settings.key_file) as cluster:
            yield cluster


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.stop()


def count_threads() -> int:
    """Threads of this program's own; the coordinator has some in the same process."""
    return sum(thread.name.startswith("asyncio") for thread in threading.enumerate())


async def submit(cluster: AsyncCluster, tasks: int = 1) -> AsyncJob:
    """A job that never ends: there is no worker."""
    inputs = (b"%d" % number for number in range(tasks))
    return await cluster.submit("calls", Plan("call", {"serializer": "msgpack"}, tasks, inputs))


async def let_wait(jobs: list[AsyncJob]) -> list[asyncio.Task[object]]:
    """Wait for jobs, each in a task of its own; returns when all wait."""
    waits: list[asyncio.Task[object]] = [asyncio.create_task(job.wait()) for job in jobs]
    done, _ = await asyncio.wait(waits, timeout=0.3)
    assert not done
    return waits


@in_event_loop
async def test_no_number_of_waits_holds_anything_else_up(place: Place) -> None:
    async with place.open() as cluster:
        jobs = [await submit(cluster) for _ in range(MANY)]
        before = count_threads()
        waits = await let_wait(jobs)
        assert count_threads() <= before
        async with asyncio.timeout(SOON):
            assert (await jobs[0].cancel()).state == CANCELLED
            assert (await waits[0]) == jobs[0].status
            assert len(await cluster.jobs()) == MANY
            assert await asyncio.to_thread(lambda: "a thread is free") == "a thread is free"
        for wait in waits[1:]:
            await cancel(wait)


@in_event_loop
async def test_a_wait_that_was_cancelled_has_ended(place: Place) -> None:
    async with place.open() as cluster:
        waits = await let_wait([await submit(cluster) for _ in range(MANY)])
        for wait in waits:
            wait.cancel()
        async with asyncio.timeout(SOON):
            await asyncio.wait(waits)
            assert len(await cluster.jobs()) == MANY
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await (await cluster.job((await cluster.jobs())[0].id)).wait()


async def read(job: AsyncJob, limit: float | None = None) -> None:
    async for _ in job.results(timeout=limit):
        pytest.fail("there is no value")


@pytest.mark.parametrize("limit", [0, 0.2])
@in_event_loop
async def test_a_wait_has_a_limit(place: Place, limit: float) -> None:
    async with place.open() as cluster:
        job = await submit(cluster)
        async with asyncio.timeout(SOON):
            with pytest.raises(WaitTimedOutError, match=job.id):
                await job.wait(limit)
            with pytest.raises(WaitTimedOutError, match=job.id):
                await read(job, limit)


@in_event_loop
async def test_results_are_left_in_the_middle(place: Place) -> None:
    async with place.open() as cluster:
        job = await submit(cluster)
        reading = asyncio.create_task(read(job))
        await asyncio.wait([reading], timeout=0.2)
        await cancel(reading)
        assert (await job.refresh()).state != CANCELLED


@in_event_loop
async def test_a_submission_that_is_cancelled_leaves_no_job(place: Place) -> None:
    go_on = threading.Event()
    asked = threading.Event()

    def make_inputs() -> Iterator[bytes]:
        yield b"first"
        asked.set()
        go_on.wait()
        yield b"second"

    async with place.open() as cluster:
        plan = Plan("call", {"serializer": "msgpack"}, 2, make_inputs())
        submitting = asyncio.create_task(cluster.submit("calls", plan))
        assert await asyncio.to_thread(asked.wait, SOON)
        assert len(await cluster.jobs()) == 1
        await cancel(submitting)
        go_on.set()
        assert await cluster.jobs() == ()


@in_event_loop
async def test_a_submission_whose_inputs_fail_leaves_no_job(place: Place) -> None:
    def make_inputs() -> Iterator[bytes]:
        yield b"first"
        raise LookupError("no more")

    async with place.open() as cluster:
        with pytest.raises(LookupError, match="no more"):
            await cluster.submit("calls", Plan("call", {"serializer": "msgpack"}, 2, make_inputs()))
        assert await cluster.jobs() == ()


@in_event_loop
async def test_many_inputs_arrive_and_are_told(place: Place) -> None:
    told: list[int] = []
    inputs = (bytes(1000) for _ in range(2500))
    async with place.open() as cluster:
        job = await cluster.submit(
            "calls", Plan("call", {"serializer": "msgpack"}, 2500, inputs), on_upload=told.append
        )
        assert job.status.tasks == 2500
        assert told == [1000, 2000, 2500]


@in_event_loop
async def test_a_wait_goes_on_through_a_restart(place: Place) -> None:
    async with place.open() as cluster:
        job = await submit(cluster)
        waiting = asyncio.create_task(job.wait())
        await asyncio.to_thread(place.stop)
        await asyncio.to_thread(place.start)
        await job.cancel()
        assert (await waiting).state == CANCELLED


@in_event_loop
async def test_a_cluster_that_is_closed_says_so(place: Place) -> None:
    async with place.open() as cluster:
        job = await submit(cluster)
        (waiting,) = await let_wait([job])
    with pytest.raises(ClosedError):
        await waiting
    with pytest.raises(ClosedError):
        await job.refresh()
    with pytest.raises(ClosedError):
        await cluster.jobs()


@in_event_loop
async def test_a_cluster_that_was_never_opened_says_how_it_is(place: Place) -> None:
    cluster = AsyncCluster(place.address, key_file=place.settings.key_file)
    with pytest.raises(UsageError, match="async with AsyncCluster"):
        await cluster.workers()
    await cluster.close()
    assert await cluster.open() is cluster
    assert await cluster.workers() == ()
    await cluster.close()


@in_event_loop
async def test_what_is_wrong_is_told_when_it_is_opened(place: Place, tmp_path: Path) -> None:
    with pytest.raises(KeyRefusedError, match="no key at"):
        await AsyncCluster(place.address, key_file=tmp_path / "none").open()
    with pytest.raises(KeyRefusedError, match="another key"):
        await AsyncCluster(place.address, b"another key" * 4).open()
    place.stop()
    try:
        with pytest.raises(UnreachableError, match="no coordinator answers"):
            await AsyncCluster(place.address, key_file=place.settings.key_file).open()
    finally:
        place.start()


@in_event_loop
async def test_the_cluster_is_looked_at_and_followed(place: Place) -> None:
    async with place.open() as cluster:
        assert (await cluster.overview()).workers == 0
        assert (await cluster.timeline()).step_seconds == 10.0
        job = await submit(cluster)
        assert [event.kind async for event in cluster.events(job=job.id)] == ["job-submitted"]
        following = cluster.events(follow=True, last=1)
        assert (await anext(following)).job == job.id
        comes = asyncio.ensure_future(anext(following))
        await job.cancel()
        assert (await asyncio.wait_for(comes, SOON)).kind == "job-cancelled"
        await following.aclose()
        with pytest.raises(UnknownWorkerError):
            await cluster.worker("nobody")


@in_event_loop
async def test_jobs_are_found_by_their_id(place: Place) -> None:
    async with place.open() as cluster:
        job = await submit(cluster)
        assert (await cluster.job(job.id)).id == (await job.refresh()).id
        with pytest.raises(UnknownJobError):
            await cluster.job("nothing")
        with pytest.raises(TypeError, match="a job's id is a str, not int 7"):
            await cluster.job(7)  # type: ignore[arg-type] # what is to be refused
        await job.delete()
        with pytest.raises(UnknownJobError):
            await job.refresh()
