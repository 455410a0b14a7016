"""Values, queues, events, lists and dicts that processes share over the wire."""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from headrace import ABSENT, QueueClosedError
from headrace_wire.errors import SharedFullError, SharedKindError, UnreachableError, UsageError
from headrace_wire.manager import Proxy
from support.commands import wait_until
from support.shared_holders import PATIENCE_SECONDS, Open, count_waiting

if TYPE_CHECKING:
    from headrace.cluster import Cluster


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


def test_an_item_is_done_once(cluster: Cluster) -> None:
    line = cluster.queue("q")
    with pytest.raises(ValueError, match=r"task_done\(\) called too many times: .* 'q'"):
        line.task_done()
    for item in range(4):
        line.put(item)
    # The second get has finished the first item, but programs still say that they are done with it.
    assert (line.get(), line.get()) == (0, 1)
    line.task_done()
    line.task_done()
    with pytest.raises(ValueError, match="too many times"):
        line.task_done()
    assert line.get() == 2
    with ThreadPoolExecutor(1) as other, pytest.raises(ValueError, match="by the thread"):
        other.submit(line.task_done).result(PATIENCE_SECONDS)
    line.task_done()
    assert (line.get(), line.join(0)) == (3, False)
    line.task_done()
    assert line.join(0)


@pytest.mark.parametrize("number", [1 << 64, -(1 << 63) - 1, 2**70, 1 << 5000])
def test_an_int_of_more_than_64_bits_is_not_added(cluster: Cluster, number: int) -> None:
    items, pairs, value = cluster.list("l"), cluster.dict("d"), cluster.value("v")
    items.append(0)
    for add in (
        value.add,
        lambda amount: items.add(0, amount),
        lambda amount: pairs.add(1, amount),
    ):
        with pytest.raises(UsageError, match=r"an int of \d+ bits cannot be added: .* a lock"):
            add(number)
    value.set(number)
    with pytest.raises(UsageError, match="only an int of up to 64 bits"):
        value.add(1)
