"""Shared lists and dicts beside those of Python: the same operations, results and errors."""

from __future__ import annotations

import contextlib
import math
import operator
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headrace import Cluster
from headrace.shared import SharedDict, SharedList
from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.errors import SharedFullError, UsageError
from headrace_wire.key import load_key
from support.coordinators import run_coordinator

#: Items that do not fit into one page.
MANY = 12_000


@pytest.fixture(scope="module")
def coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Coordinator, Path]]:
    folder = tmp_path_factory.mktemp("shared")
    settings = CoordinatorSettings(
        folder / "data",
        folder / "key",
        bind=Address("127.0.0.1", 0),
        http=None,
        shared_limit_bytes=32 << 20,
    )
    with run_coordinator(settings) as running:
        yield running, folder / "key"


@pytest.fixture
def cluster(coordinator: tuple[Coordinator, Path]) -> Iterator[Cluster]:
    running, key = coordinator
    with Cluster(running.bound, load_key(key)) as opened:
        yield opened


@pytest.fixture
def shared(cluster: Cluster) -> Iterator[SharedList]:
    made = cluster.list("items")
    yield made
    with contextlib.suppress(UsageError):  # a test may have closed it
        made.delete()


@pytest.fixture
def pairs(cluster: Cluster) -> Iterator[SharedDict]:
    made = cluster.dict("pairs")
    yield made
    made.delete()


def find_end(work: Callable[[Any], Any], items: Any) -> tuple[Any, ...]:
    """What becomes of the items, and what is returned or raised and how it is put."""
    try:
        end = work(items)
    except Exception as error:  # noqa: BLE001 - any of them is to be compared
        return list(items), type(error), str(error)
    return list(items), list(end) if isinstance(end, SharedList) else end


def add_in_place(items: Any, more: Any) -> Any:
    items += more
    return items


def multiply_in_place(items: Any, times: Any) -> Any:
    items *= times
    return items


SLICES = [
    slice(None),
    slice(1, 3),
    slice(3, 1),
    slice(-2, None),
    slice(None, None, -1),
    slice(None, None, 2),
    slice(-1, -5, -2),
    slice(10, 20),
    slice(-(10**30), 10**30),
    slice(True, np.int64(4)),
    slice(None, None, 0),
    slice("a", None),
]

WORKS: list[Callable[[Any], Any]] = [
    *(lambda items, index=index: items[index] for index in SLICES),
    *(lambda items, index=index: operator.delitem(items, index) for index in SLICES),
    *(
        lambda items, index=index, values=values: operator.setitem(items, index, values)
        for index in SLICES
        for values in ([], [9], [7, 8, 9], iter("ab"), 5)
        if not isinstance(values, type(iter("")))
    ),
    *(
        lambda items, index=index, work=work: work(items, index)
        for index in (0, -1, 4, 5, -6, True, np.int64(1), np.uint8(2), "a", 1.0, None, 10**30)
        for work in (operator.getitem, operator.delitem)
    ),
    lambda items: operator.setitem(items, np.int32(1), 9),
    lambda items: operator.setitem(items, 7, 9),
    lambda items: operator.setitem(items, "a", 9),
    lambda items: items.insert(-100, 0),
    lambda items: items.insert(100, 0),
    lambda items: items.pop(np.int64(1)),
    lambda items: items.pop(7),
    lambda items: items.pop("a"),
    lambda items: [items.pop() for _ in range(6)],
    lambda items: items.remove(3),
    lambda items: items.remove(77),
    lambda items: items.index(3),
    lambda items: items.index(3, 3),
    lambda items: items.index(3, -3),
    lambda items: items.index(3, 0, 2),
    lambda items: items.index(77),
    lambda items: items.count(3),
    lambda items: items.reverse(),
    lambda items: items.sort(),
    lambda items: items.sort(reverse=True),
    lambda items: items.sort(key=lambda one: -one),
    lambda items: items.sort(key=lambda one: one % 2),
    lambda items: items.sort(key=lambda one: one / 0),
    lambda items: items.copy(),
    lambda items: list(reversed(items)),
    lambda items: operator.add(items, [9]),
    lambda items: operator.add([9], items),
    lambda items: operator.add(items, (9,)),
    lambda items: operator.add(items, 9),
    lambda items: add_in_place(items, (9, 10)),
    lambda items: add_in_place(items, items),
    lambda items: add_in_place(items, 9),
    lambda items: items * 2,
    lambda items: np.int64(2) and 2 * items,
    lambda items: items * -1,
    lambda items: items * "a",
    lambda items: multiply_in_place(items, 3),
    lambda items: multiply_in_place(items, 0),
    lambda items: multiply_in_place(items, 1.5),
    lambda items: items.extend(items),
    lambda items: items.extend("ab"),
    lambda items: items.clear(),
    lambda items: 3 in items,
    lambda items: 77 in items,
    bool,
    lambda items: items == [3, 1, 2, 3, 5],
    lambda items: items == [3, 1, 2, 3, 5],
    lambda items: items != [3, 1, 2, 3, 5],
    lambda items: items == (3, 1, 2, 3, 5),
    lambda items: items < [4],
    lambda items: items >= [4],
    lambda items: items < (4,),
    hash,
]


@pytest.mark.parametrize("number", range(len(WORKS)))
def test_a_shared_list_does_what_a_list_does(shared: SharedList, number: int) -> None:
    work, start = WORKS[number], [3, 1, 2, 3, 5]
    shared.extend(start)
    expected = find_end(work, start)
    found = find_end(work, shared)
    assert (*found[:2], *(one.replace("SharedList", "list") for one in found[2:])) == expected


def test_an_empty_list_says_so(shared: SharedList) -> None:
    with pytest.raises(IndexError, match="pop from empty list"):
        shared.pop()
    assert not shared
    assert shared == []
    shared.sort()
    shared.reverse()


def test_two_handles_of_one_list_are_equal(shared: SharedList, cluster: Cluster) -> None:
    shared.append(1)
    assert shared == cluster.list("items")
    assert shared + cluster.list("items") == [1, 1]


def test_what_takes_many_pages_is_read_sliced_and_sorted_as_well(shared: SharedList) -> None:
    items = list(range(MANY))
    random.Random(1).shuffle(items)
    shared.extend(items)
    assert shared == items
    assert shared[5:-5:3] == items[5:-5:3]
    assert shared[::-1] == items[::-1]
    shared.sort()
    assert shared == sorted(items)
    shared[10:-10] = shared[MANY // 2 :]
    assert shared == [*range(10), *range(MANY // 2, MANY), *range(MANY - 10, MANY)]


def test_changes_of_many_at_once_lose_nothing(cluster: Cluster, shared: SharedList) -> None:
    def grow(number: int) -> None:
        mine = cluster.list("items")
        for turn in range(20):
            mine += [number, turn]
            mine.sort(key=str)
            mine.reverse()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(grow, range(4)))
    assert sorted(shared) == sorted(
        [number for number in range(4) for _ in range(20)] + [*range(20)] * 4
    )


def test_a_sort_of_what_was_changed_meanwhile_begins_anew(
    cluster: Cluster, shared: SharedList
) -> None:
    shared.extend([3, 1, 2])
    late = iter([0])

    def key(item: int) -> int:
        for one in late:  # once, while the order is found
            cluster.list("items").append(one)
        return item

    shared.sort(key=key)
    assert shared == [0, 1, 2, 3]


def test_a_list_does_not_grow_beyond_what_there_is_room_for(shared: SharedList) -> None:
    shared.extend([0] * 1000)
    with pytest.raises(UsageError, match="at once"):
        shared *= 10**9
    with pytest.raises(SharedFullError):
        shared *= 1000
    assert len(shared) == 1000


DICT_WORKS: list[Callable[[Any], Any]] = [
    lambda pairs: pairs | {"a": 9},
    lambda pairs: {"z": 0} | pairs,
    lambda pairs: pairs | 3,
    lambda pairs: pairs.__ior__({"b": 9}) and None,
    lambda pairs: pairs.__ior__([("c", 9)]) and None,
    lambda pairs: pairs.copy(),
    lambda pairs: list(reversed(pairs)),
    lambda pairs: list(reversed(pairs.keys())),
    lambda pairs: list(reversed(pairs.values())),
    lambda pairs: list(reversed(pairs.items())),
    lambda pairs: pairs.popitem(),
    lambda pairs: [pairs.popitem() for _ in range(3)],
    lambda pairs: pairs.pop("x"),
    lambda pairs: pairs.pop("x", 5),
    lambda pairs: pairs["x"],
    lambda pairs: operator.delitem(pairs, "x"),
    lambda pairs: pairs.setdefault("x"),
    lambda pairs: pairs.get("x"),
    lambda pairs: pairs.update({"a": 3}, b=4, c=5),
    lambda pairs: pairs.update([("q", 1)]),
    lambda pairs: pairs == {"a": 1, "b": 2},
    lambda pairs: pairs != {"a": 1, "b": 2},
    lambda pairs: "a" in pairs,
    lambda pairs: sorted(pairs.keys() & {"a"}),
    lambda pairs: len(pairs) and bool(pairs),
]


@pytest.mark.parametrize("number", range(len(DICT_WORKS)))
def test_a_shared_dict_does_what_a_dict_does(pairs: SharedDict, number: int) -> None:
    work, start = DICT_WORKS[number], {"a": 1, "b": 2}
    pairs.update(start)
    expected = find_end(work, start)
    found = find_end(work, pairs)
    if len(expected) > 2 and expected[1] is TypeError:
        assert found[:2] == expected[:2]
    else:
        assert found == expected
    assert pairs == start


def test_negative_zero_is_the_same_key_as_zero(pairs: SharedDict) -> None:
    pairs[0.0] = 1
    pairs[-0.0] = 2
    pairs[(1, (-0.0,))] = 3
    assert pairs[(1, (0.0,))] == 3
    assert len(pairs) == 2
    assert [math.copysign(1, key) for key in pairs if isinstance(key, float)] == [1.0]


def test_advice_is_what_helps_here(cluster: Cluster, shared: SharedList, pairs: SharedDict) -> None:
    for call in (
        lambda: shared.append(object()),
        lambda: operator.setitem(pairs, "a", {"b": [object()]}),
        lambda: cluster.value("v", lambda: 0),
        lambda: cluster.queue("q").put(np.array([object()])),
    ):
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert "cloudpickle" not in str(caught.value)
        assert "shared state keeps numbers, text" in str(caught.value)
    assert (list(shared), dict(pairs)) == ([], {})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda cluster: cluster.value(5), "a shared object is a str, not int 5"),
        (lambda cluster: cluster.list(None), "is a str, not NoneType"),
        (lambda cluster: cluster.delete_shared(b"x"), "is a str, not bytes"),
        (lambda cluster: cluster.queue("q", None), "maxsize is how many items .* not NoneType"),
        (lambda cluster: cluster.queue("q", 1.5), "maxsize is how many items .* not float"),
        (lambda cluster: cluster.job(None), "a job's id is a str, not NoneType"),
    ],
)
def test_another_type_is_told_by_what_was_expected(
    cluster: Cluster, call: Callable[[Cluster], object], words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        call(cluster)
