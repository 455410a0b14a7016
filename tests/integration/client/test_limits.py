"""A caller's time limit holds whatever the coordinator does: away, frozen, or back meanwhile."""

from __future__ import annotations

import math
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from headrace import Cluster, UnreachableError, WaitTimedOutError
from headrace.job import Job
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.errors import ClosedError, UnknownJobError
from headrace_wire.key import load_key
from headrace_wire.timeouts import LOOK_SECONDS
from support.coordinators import run_coordinator
from support.queue_builders import make_spec
from support.wire_server import PATIENCE_SECONDS

#: Seconds that a caller of these tests gives.
LIMIT = 0.4

#: Seconds beyond a limit and the last look that a busy machine may take.
SLACK = 3.0


class Place:
    """A coordinator that can go away and come back, and a cluster that was opened before."""

    def __init__(self, folder: Path) -> None:
        self._settings = CoordinatorSettings(
            folder / "data", folder / "key", bind=Address("127.0.0.1", 0), http=None
        )
        self._running = ExitStack()
        self.start()
        self.cluster = Cluster(self.address, load_key(self._settings.key_file))
        self.lost = threading.Event()

    def start(self) -> None:
        coordinator = self._running.enter_context(run_coordinator(self._settings))
        self.address = coordinator.bound
        self._settings = replace(self._settings, bind=self.address)

    def stop(self) -> None:
        self._running.close()

    def freeze(self) -> None:
        """Have connections accepted at its place by something that never says a word."""
        self._running.close()
        self._running.enter_context(socket.create_server(tuple(self.address)))

    def open_job(self) -> Job:
        """A job that never ends: there is no worker."""
        return Job(self.cluster.engine, self.cluster.engine.jobs.submit(make_spec("job", 3)))

    def close(self) -> None:
        self._running.close()
        self.cluster.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


class Waits:
    """Everything that takes a time limit, on one cluster; handles are opened beforehand."""

    def __init__(self, place: Place) -> None:
        cluster = place.cluster
        self.job = place.open_job()
        self.event = cluster.event("e")
        self.lock = cluster.lock("k")
        self.line = cluster.queue("q", 1)

    def find(self, name: str, limit: float) -> Callable[[], Any]:
        return {
            "job.wait": lambda: self.job.wait(limit),
            "job.results": lambda: list(self.job.results(timeout=limit)),
            "event.wait": lambda: self.event.wait(limit),
            "lock.acquire": lambda: self.lock.acquire(timeout=limit),
            "queue.get": lambda: self.line.get(timeout=limit),
            "queue.join": lambda: self.line.join(limit),
            "queue.put": lambda: self.line.put(1, timeout=limit),
        }[name]


def find_end(call: Callable[[], Any]) -> object:
    """What a call returns, or the class of what it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - any of them is to be looked at
        return type(error)


ENDS: list[tuple[str, object, object]] = [
    ("job.wait", WaitTimedOutError, WaitTimedOutError),
    ("job.results", WaitTimedOutError, WaitTimedOutError),
    ("event.wait", False, False),
    ("lock.acquire", False, False),
    ("queue.get", queue.Empty, UnreachableError),
    ("queue.join", False, False),
    ("queue.put", UnreachableError, UnreachableError),
]


@pytest.mark.parametrize("away", ["stop", "freeze"])
@pytest.mark.parametrize(("name", "end", "end_at_once"), ENDS, ids=[end[0] for end in ENDS])
def test_a_limit_bounds_the_reconnecting_too(
    place: Place, away: str, name: str, end: object, end_at_once: object
) -> None:
    waits = Waits(place)
    getattr(place, away)()
    for limit, expected in [(LIMIT, end), (0, end_at_once)]:
        begun = time.monotonic()
        assert find_end(waits.find(name, limit)) == expected
        took = time.monotonic() - begun
        assert (limit if away == "stop" else 0) <= took < limit + LOOK_SECONDS + SLACK


def test_what_does_not_wait_asks_once_and_is_not_told_wrong(place: Place) -> None:
    waits = Waits(place)
    place.stop()
    begun = time.monotonic()
    with pytest.raises(UnreachableError):  # and not queue.Empty: nobody looked
        waits.line.get_nowait()
    with pytest.raises(UnreachableError):
        waits.line.put_nowait(1)
    assert waits.lock.acquire(block=False) is False
    assert time.monotonic() - begun < 3 * LOOK_SECONDS + SLACK


def test_a_look_after_a_restart_is_answered_although_its_connection_is_an_old_one(
    place: Place,
) -> None:
    waits = Waits(place)
    waits.line.put(1)
    place.stop()
    place.start()
    assert waits.line.get_nowait() == 1
    place.stop()
    place.start()
    assert waits.lock.acquire(block=False)
    place.stop()
    place.start()
    with pytest.raises(WaitTimedOutError):
        waits.job.wait(0)
    waits.job.cancel()
    assert waits.job.wait(0).state == "cancelled"


def test_a_limit_does_not_begin_anew_after_a_restart(place: Place) -> None:
    waits = Waits(place)
    restarted = threading.Event()

    def restart() -> None:
        place.stop()
        place.start()
        restarted.set()

    limit = 3.0
    with ThreadPoolExecutor(3) as pool:
        begun = time.monotonic()
        waiting = [
            pool.submit(find_end, waits.find(name, limit)) for name in ("job.wait", "event.wait")
        ]
        threading.Event().wait(limit / 2)
        pool.submit(restart).result(PATIENCE_SECONDS)
        assert [one.result(PATIENCE_SECONDS) for one in waiting] == [WaitTimedOutError, False]
        assert limit <= time.monotonic() - begun < limit + LOOK_SECONDS + SLACK


def test_who_waits_without_a_limit_goes_on_after_a_restart(place: Place) -> None:
    waits = Waits(place)
    with ThreadPoolExecutor(4) as pool:
        over = [pool.submit(waits.job.wait), pool.submit(waits.job.wait, math.inf)]
        item = pool.submit(waits.line.get)
        was_set = pool.submit(waits.event.wait, 1e308)
        place.stop()
        place.start()
        waits.line.put("item")
        waits.event.set()
        waits.job.cancel()
        assert [one.result(PATIENCE_SECONDS).state for one in over] == ["cancelled"] * 2
        assert item.result(PATIENCE_SECONDS) == "item"
        assert was_set.result(PATIENCE_SECONDS)


def test_zero_looks_once_and_returns_what_is_over(place: Place) -> None:
    job = place.open_job()
    with pytest.raises(WaitTimedOutError, match="before job job was"):
        job.wait(0)
    with pytest.raises(WaitTimedOutError):
        list(job.results(timeout=0))
    place.cluster.job("job").cancel()
    assert job.wait(0).state == "cancelled"


@pytest.mark.parametrize("name", [end[0] for end in ENDS])
def test_nan_is_refused_at_once(place: Place, name: str) -> None:
    with pytest.raises(ValueError, match="NaN"):
        Waits(place).find(name, math.nan)()


def test_negative_times_are_what_the_standard_library_takes_them_for(place: Place) -> None:
    waits = Waits(place)
    assert not waits.event.wait(-1)
    assert waits.lock.acquire(timeout=-1)
    with pytest.raises(WaitTimedOutError):
        waits.job.wait(-1)
    with pytest.raises(ValueError, match="non-negative"):
        waits.line.get(timeout=-1)
    with pytest.raises(ValueError, match="non-negative"):
        waits.line.put(1, timeout=-1)
    with pytest.raises(queue.Empty):
        waits.line.get(block=False, timeout=-1)


def test_a_job_that_is_deleted_while_somebody_waits_is_told_by_its_name(place: Place) -> None:
    job = place.open_job()
    with ThreadPoolExecutor(2) as pool:
        waiting: list[Future[Any]] = [
            pool.submit(job.wait),
            pool.submit(lambda: list(job.results())),
        ]
        place.cluster.job("job").delete()
        for one in waiting:
            with pytest.raises(UnknownJobError, match="there is no job 'job'"):
                one.result(PATIENCE_SECONDS)


def test_after_close_every_call_raises_the_same(place: Place) -> None:
    waits, cluster = Waits(place), place.cluster
    items, pairs, value = cluster.list("l"), cluster.dict("d"), cluster.value("v")
    items.append(1)
    cluster.close()
    calls: list[Callable[[], object]] = [
        cluster.jobs,
        cluster.workers,
        cluster.shared,
        lambda: cluster.job("job"),
        lambda: cluster.map("shop:work", [1]),
        lambda: cluster.list("l"),
        lambda: cluster.value("other"),
        lambda: cluster.delete_shared("l"),
        waits.job.refresh,
        waits.job.wait,
        waits.job.cancel,
        waits.job.delete,
        lambda: waits.job.wait(0.1),
        lambda: list(waits.job.results()),
        lambda: list(waits.job.failures()),
        lambda: items[0],
        lambda: list(items),
        lambda: items.append(2),
        lambda: pairs["a"],
        lambda: pairs.update(a=1),
        value.get,
        lambda: value.set(1),
        waits.event.wait,
        lambda: waits.lock.acquire(timeout=1),
        waits.line.get,
        waits.line.get_nowait,
    ]
    ends = [find_end(call) for call in calls]
    assert ends == [ClosedError] * len(calls)
    assert issubclass(ClosedError, ValueError), "as a closed multiprocessing.Pool raises"
    cluster.close()


def test_a_call_that_waits_when_the_cluster_is_closed_raises_that_too(place: Place) -> None:
    waits = Waits(place)
    with ThreadPoolExecutor(2) as pool:
        waiting: list[Future[Any]] = [pool.submit(waits.job.wait), pool.submit(waits.event.wait)]
        place.cluster.close()
        for one in waiting:
            with pytest.raises(ClosedError):
                one.result(PATIENCE_SECONDS)
