"""Shared state over the wire: lost answers, cut connections, restarts, silence."""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from headrace import ABSENT, LockLostError, QueueClosedError
from headrace.cluster import Cluster
from headrace.shared.session import SharedSession
from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.errors import SharedFullError, SharedKindError, UnreachableError, UsageError
from headrace_wire.key import load_key
from headrace_wire.manager import Proxy
from support.commands import wait_until
from support.coordinators import run_coordinator

# Another test may have left a thread, which Python 3.12 warns of when a test forks.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

#: Seconds after which a silent holder loses what it has.
LEASE_SECONDS = 1.0

#: Seconds for what must come.
PATIENCE_SECONDS = 20.0

#: Opens a cluster of its own, as another process would.
Open = Callable[[], Cluster]


@pytest.fixture
def settings(tmp_path: Path) -> CoordinatorSettings:
    return CoordinatorSettings(
        tmp_path / "data",
        tmp_path / "key",
        bind=Address("127.0.0.1", 0),
        http=None,
        lease_seconds=LEASE_SECONDS,
        shared_limit_bytes=8 << 20,
    )


@pytest.fixture
def coordinator(settings: CoordinatorSettings) -> Iterator[Coordinator]:
    with run_coordinator(settings) as coordinator:
        yield coordinator


@pytest.fixture
def open_cluster(coordinator: Coordinator, settings: CoordinatorSettings) -> Iterator[Open]:
    address = coordinator.bound
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(Cluster(address, load_key(settings.key_file)))


@pytest.fixture
def cluster(open_cluster: Open) -> Cluster:
    return open_cluster()


def fall_silent(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no heartbeat of a cluster's session out any more."""

    def be_silent() -> float:
        raise UnreachableError

    monkeypatch.setattr(cluster._open_shared(), "_beat", be_silent)


def count_waiting(cluster: Cluster, name: str) -> int:
    return sum(status.waiting for status in cluster.shared() if status.name == name)


def test_every_answer_may_be_lost_once_and_nothing_is_done_twice(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, lost = Proxy.call, {"call": False}

    def lose_every_other(
        self: Proxy, method: str, arguments: list[Any], until: float | None
    ) -> Any:
        answer = real(self, method, arguments, until)
        if method == "change":
            lost["call"] = not lost["call"]
            if lost["call"]:
                self._drop_idle()
                raise UnreachableError("the answer was lost")
        return answer

    monkeypatch.setattr(Proxy, "call", lose_every_other)
    value, items, pairs = cluster.value("v"), cluster.list("l"), cluster.dict("d")
    line, lock, event = cluster.queue("q"), cluster.lock("k"), cluster.event("e")
    assert [value.add(2) for _ in range(5)] == [2, 4, 6, 8, 10]
    assert value.compare_and_set(10, "ten")
    items.extend(range(4))
    items.insert(1, "x")
    assert [items.pop(), items.pop(0), list(items)] == [3, 0, ["x", 1, 2]]
    assert pairs.update_if("a", ABSENT, 1)
    assert [pairs.add("a"), pairs.pop("a"), len(pairs)] == [2, 2, 0]
    for item in range(4):
        line.put(item)
    line.close()
    assert list(line) == [0, 1, 2, 3]
    for fencing in range(1, 4):
        with lock:
            assert lock.fencing == fencing
    event.set()
    assert event.is_set()
    event.delete()
    assert "e" not in [status.name for status in cluster.shared()]


def test_a_lock_that_is_waited_for_through_a_cut_connection_is_taken_once(
    open_cluster: Open,
) -> None:
    first, second = open_cluster(), open_cluster()
    mine, theirs = first.lock("k"), second.lock("k")
    mine.acquire()
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(theirs.acquire)
        wait_until(lambda: count_waiting(first, "k") == 1)
        for proxy in list(second.engine._manager._proxies):  # type: ignore[attr-defined]
            proxy.close()
        wait_until(lambda: count_waiting(first, "k") == 1)  # the one that was cut waits no more
        mine.release()
        assert taken.result(PATIENCE_SECONDS)
    assert theirs.fencing == 2
    theirs.release()
    assert mine.acquire(timeout=0)
    assert mine.fencing == 3


def test_who_waits_and_who_holds_goes_on_after_a_restart(settings: CoordinatorSettings) -> None:
    settings = replace(settings, lease_seconds=PATIENCE_SECONDS)  # however long the restart takes
    with contextlib.ExitStack() as stack:
        with run_coordinator(settings) as before:
            again = replace(settings, bind=before.bound)
            key = load_key(settings.key_file)
            first = stack.enter_context(Cluster(before.bound, key))
            second = stack.enter_context(Cluster(before.bound, key))
            mine, theirs = first.lock("k"), second.lock("k")
            mine.acquire()
            line = first.queue("q")
            line.put("item")
            line.put("other")
            assert line.get() == "item"
            pool = stack.enter_context(ThreadPoolExecutor(1))
            taken = pool.submit(theirs.acquire)
            wait_until(lambda: count_waiting(first, "k") == 1)
        with run_coordinator(again):
            assert first.lock("k").locked()
            assert line.get() == "other"
            mine.release()
            assert taken.result(PATIENCE_SECONDS)
            assert theirs.fencing == 2
            second.close()
            first.close()


def test_a_silent_holder_loses_the_lock_and_is_told_at_its_release(
    open_cluster: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = open_cluster(), open_cluster()
    mine, theirs = first.lock("k"), second.lock("k")
    mine.acquire()
    assert mine.is_mine()
    fall_silent(first, monkeypatch)
    assert theirs.acquire(timeout=PATIENCE_SECONDS)
    assert theirs.fencing > mine.fencing
    assert not mine.is_mine()
    with pytest.raises(LockLostError):
        mine.release()
    assert theirs.is_mine()


def test_a_holder_that_beats_keeps_the_lock_beyond_the_lease(open_cluster: Open) -> None:
    mine, theirs = open_cluster().lock("k"), open_cluster().lock("k")
    mine.acquire()
    assert not theirs.acquire(timeout=2.5 * LEASE_SECONDS)
    mine.release()
    assert theirs.acquire(block=False)


def test_an_interrupted_wait_leaves_nothing_behind(open_cluster: Open) -> None:
    first, second, third = open_cluster(), open_cluster(), open_cluster()
    mine, theirs = first.lock("k"), second.lock("k")
    mine.acquire()
    main = threading.main_thread().ident
    assert main

    def interrupt() -> None:
        wait_until(lambda: count_waiting(third, "k") == 1)
        signal.pthread_kill(main, signal.SIGINT)
        # Python looks for signals before it reads: one that comes in between waits for an answer.
        while not over.wait(PATIENCE_SECONDS / 2):
            signal.pthread_kill(main, signal.SIGINT)

    over = threading.Event()
    helper = threading.Thread(target=interrupt)
    helper.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            theirs.acquire()
    finally:
        over.set()
    helper.join(PATIENCE_SECONDS)
    mine.release()
    assert mine.acquire(timeout=PATIENCE_SECONDS)


def test_an_item_of_a_silent_consumer_comes_back(
    open_cluster: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = open_cluster(), open_cluster()
    line = first.queue("q")
    line.put("item")
    assert line.get() == "item"
    fall_silent(first, monkeypatch)
    assert second.queue("q").get(timeout=PATIENCE_SECONDS) == "item"


def test_loops_over_a_closed_queue_end_and_no_item_is_taken_twice(open_cluster: Open) -> None:
    clusters = [open_cluster() for _ in range(3)]

    def consume(cluster: Cluster) -> list[int]:
        return list(cluster.queue("q", maxsize=3))

    with ThreadPoolExecutor(3) as pool:
        consumed = [pool.submit(consume, cluster) for cluster in clusters]
        line = clusters[0].queue("q", maxsize=3)
        for item in range(60):
            line.put(item)
        line.close()
        taken = [item for one in consumed for item in one.result(PATIENCE_SECONDS)]
    assert sorted(taken) == list(range(60))
    with pytest.raises(QueueClosedError):
        line.put(1)
    with pytest.raises(QueueClosedError):
        line.get()
    assert (line.closed, line.maxsize, line.qsize()) == (True, 3, 0)


def test_full_and_empty_are_those_of_the_standard_library(cluster: Cluster) -> None:
    line = cluster.queue("q", maxsize=1)
    assert line.empty()
    with pytest.raises(queue.Empty):
        line.get(timeout=0.05)
    line.put_nowait(1)
    assert line.full()
    with pytest.raises(queue.Full):
        line.put_nowait(2)
    assert line.get_nowait() == 1
    line.close()
    line.task_done()
    assert list(line) == []


def test_an_event_wakes_all_who_wait(open_cluster: Open) -> None:
    clusters = [open_cluster() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(one.event("go").wait, PATIENCE_SECONDS) for one in clusters]
        wait_until(lambda: count_waiting(clusters[0], "go") == 3)
        clusters[0].event("go").set()
        assert all(wait.result(PATIENCE_SECONDS) for wait in waits)
    assert not clusters[0].event("other").wait(0.05)


def test_threads_add_without_losing_any(cluster: Cluster) -> None:
    value, pairs = cluster.value("v"), cluster.dict("d")

    def add(_: int) -> None:
        for _ in range(50):
            value.add()
            pairs.add("k", 0.5)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    assert value.get() == 200
    assert pairs == {"k": 100.0}


def test_compare_and_set_goes_by_what_equals_in_python(cluster: Cluster) -> None:
    value = cluster.value("v", {"a": 1, "b": {2, 3}})
    assert not value.compare_and_set({"a": 1}, None)
    assert value.compare_and_set({"b": {3, 2}, "a": 1.0}, (1, "x"))
    assert value.get() == (1, "x")
    assert cluster.dict("d").update_if("k", ABSENT, 1)
    assert not cluster.dict("d").update_if("k", ABSENT, 2)
    assert cluster.dict("d").update_if("k", 1, ABSENT)
    assert dict(cluster.dict("d")) == {}


def test_lists_and_dicts_are_like_those_of_python(cluster: Cluster) -> None:
    items, pairs = cluster.list("l"), cluster.dict("d")
    items.extend(range(12_000))
    assert list(items) == list(range(12_000))
    assert items[-3:] == [11_997, 11_998, 11_999]
    assert items[10:0:-3] == [10, 7, 4, 1]
    items[0] = "zero"
    del items[1]
    items.remove("zero")
    assert [items[0], len(items), items.index(5), items.add(0, 5)] == [2, 11_998, 3, 7]
    for wrong in (20_000, -20_000):
        with pytest.raises(IndexError):
            items[wrong]
        with pytest.raises(IndexError):
            items.pop(wrong)
    with pytest.raises(ValueError, match="not in"):
        items.remove("nothing")
    expected = {("key", number): {"n": number} for number in range(7000)}
    pairs.update(expected)
    assert dict(pairs) == expected == pairs
    assert list(pairs) == list(expected)
    assert [pairs.popitem(), pairs.pop("none", 1), ("key", 3) in pairs] == [
        (("key", 6999), {"n": 6999}), 1, True,
    ]  # fmt: skip
    with pytest.raises(KeyError):
        pairs["none"]
    with pytest.raises(TypeError, match="cannot be a key"):
        pairs[frozenset()] = 1


def test_what_makes_no_sense_is_refused_in_words(cluster: Cluster) -> None:
    cluster.value("v", "text")
    with pytest.raises(UsageError, match="can be added to"):
        cluster.value("v").add(1)
    with pytest.raises(TypeError, match="no int or float"):
        cluster.value("v").add(True)
    with pytest.raises(SharedKindError, match="is a value, not a list"):
        cluster.list("v")
    with pytest.raises(SharedFullError, match="--shared-limit"):
        cluster.value("v").set(bytes(9 << 20))
    with pytest.raises(ValueError, match="not held here"):
        cluster.lock("k").release()
    with pytest.raises(TypeError, match="cannot travel"):
        cluster.value("v").set(object())


def fork_and_add(session: SharedSession, value: Any, answers: Any) -> None:
    answers.put((session.id, value.add(1), session.id))


def test_a_forked_process_has_a_session_of_its_own(cluster: Cluster) -> None:
    value = cluster.value("v")
    value.add(1)
    session = cluster._open_shared()
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=fork_and_add, args=(session, value, answers))
    child.start()
    before, total, after = answers.get(timeout=PATIENCE_SECONDS)
    child.join(PATIENCE_SECONDS)
    assert (before, total) == (session.id, 2)
    assert after != session.id
    assert value.add(1) == 3


def fork_and_lock(cluster: Cluster, answers: Any) -> None:
    lock = cluster.lock("k")
    lock.acquire()
    threading.Event().wait(3 * LEASE_SECONDS)
    answers.put(lock.is_mine())


def fork_and_take(cluster: Cluster, answers: Any) -> None:
    line = cluster.queue("q")
    items = [line.get()]
    threading.Event().wait(3 * LEASE_SECONDS)
    items.append(line.get())
    line.task_done()
    answers.put(items)


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize(("work", "expected"), [(fork_and_lock, True), (fork_and_take, [1, 2])])
def test_a_forked_process_keeps_what_it_takes(
    cluster: Cluster, work: Callable[[Cluster, Any], None], expected: object, busy: bool
) -> None:
    line = cluster.queue("q")
    for item in range(1 - busy, 4):
        line.put(item)
    if busy:
        assert line.get() == 0
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=work, args=(cluster, answers))
    child.start()
    assert answers.get(timeout=PATIENCE_SECONDS) == expected
    child.join(PATIENCE_SECONDS)


def test_a_closed_cluster_gives_back_its_locks_and_is_done_with_its_items(
    open_cluster: Open,
) -> None:
    first, second = open_cluster(), open_cluster()
    first.lock("k").acquire()
    line = first.queue("q")
    line.put(1)
    line.get()
    first.close()
    assert second.lock("k").acquire(block=False)
    second.queue("q").close()
    assert list(second.queue("q")) == []
    with pytest.raises(UsageError, match="closed"):
        line.put(1)


def test_join_waits_until_all_items_are_done_with(open_cluster: Open) -> None:
    line, consumer = open_cluster().queue("q"), open_cluster().queue("q")
    assert line.join(0)
    line.put(1)
    assert not line.join(0)
    with ThreadPoolExecutor(1) as pool:
        joined = pool.submit(line.join)
        assert consumer.get() == 1
        assert not line.join(0), "it is being worked on"
        consumer.task_done()
        assert joined.result(PATIENCE_SECONDS)


def test_numbers_of_numpy_can_be_added_and_truth_cannot(cluster: Cluster) -> None:
    value = cluster.value("v")
    assert [value.add(np.int64(2)), value.add(np.float64(0.5))] == [2, 2.5]
    for wrong in (True, "1", None, 1j):
        with pytest.raises(TypeError, match="cannot be added"):
            value.add(wrong)  # type: ignore[arg-type] # any of them
