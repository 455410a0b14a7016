"""Who holds a lock or an item: through cut connections and restarts, and until it falls silent."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from headrace import LockLostError
from headrace.cluster import Cluster
from headrace_wire.errors import UsageError
from headrace_wire.key import load_key
from support.commands import wait_until
from support.coordinators import run_coordinator
from support.shared_holders import LEASE_SECONDS, PATIENCE_SECONDS, Open, count_waiting, fall_silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.shared.session import SharedSession
    from headrace_coordinator.settings import CoordinatorSettings

# Another test may have left a thread, which Python 3.12 warns of when a test forks.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


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
