"""What calls mean in a pool here: whose objects they see, and in which state."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from headrace import Executor, Pool


class Point:
    def __init__(self, x: int = 0) -> None:
        self.x = x

    def is_mine(self) -> bool:
        return isinstance(self, Point)


class Color(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    left: int
    right: int


class Counter:
    def __init__(self) -> None:
        self.n = 0

    def bump(self, _: object = None) -> int:
        self.n += 1
        return self.n

    def __call__(self, _: object = None) -> int:
        return self.bump()


@dataclass(frozen=True)
class Model:
    """Equal to each other of its name."""

    name: str
    k: int = field(compare=False)

    def __call__(self, x: int) -> int:
        return x + self.k


STATE: dict[str, Any] = {}


def initialize(value: int) -> None:
    STATE["v"] = value


def look() -> Any:
    return STATE.get("v")


def grow(items: list[int]) -> list[int]:
    items.append(len(items))
    return items


def append_to(items: list[int], item: int) -> list[int]:
    items.append(item)
    return items


def fill(array: Any) -> float:
    array[0] = 5
    return float(array.sum())


def check_names(pool: Any) -> None:
    assert pool.map(lambda point: isinstance(point, Point) and point.x, [Point(2)]) == [2]
    assert pool.map(lambda color: color is Color.RED, [Color.RED]) == [True]
    assert pool.map(lambda color: {Color.RED: "red"}[color], [Color.RED]) == ["red"]
    assert pool.map(lambda pair: isinstance(pair, Pair) and pair.right, [Pair(1, 2)]) == [2]
    assert pool.map(Point.is_mine, [Point()]) == [True]
    assert pool.apply(isinstance_beside, (Point(), lambda: 0)) is True
    assert pool.apply(lambda: STATE.get("v")) == 42
    assert pool.apply(functools.partial(lambda key: STATE[key], "v")) == 42

    def set_and_get() -> tuple[Any, Any]:
        STATE["w"] = 1
        return look(), STATE.pop("w")

    assert pool.apply(set_and_get) == (42, 1)
    made = pool.apply(lambda: (Point(3), Color.RED, Point, Pair(1, 2)))
    assert isinstance(made[0], Point)
    assert made[0].x == 3
    assert made[1] is Color.RED
    assert made[2] is Point
    assert isinstance(made[3], Pair)
    back = pool.apply(lambda: lambda: STATE)
    assert back() is STATE  # a function that comes back sees the program's own variables


def isinstance_beside(point: object, _: object) -> bool:
    return isinstance(point, Point)


def check_hidden(pool: Any, hidden: dict[str, Any]) -> None:
    """What stands under the guard alone is carried along, as it is at each call."""
    table = hidden["table"]
    assert pool.map(hidden["read"], range(3)) == table
    table[0] = 100
    assert pool.map(hidden["read"], range(3)) == table
    assert pool.apply(hidden["twice"], (4,)) == 8
    only = hidden["Only"]
    assert isinstance(pool.apply(hidden["make"]), only)
    assert pool.apply(hidden["know"], (only(),)) is True


def check_copies(pool: Any, executor: Executor) -> None:
    assert [executor.submit(Counter().bump).result() for _ in range(3)] == [1] * 3
    assert [executor.submit(Counter()).result() for _ in range(3)] == [1] * 3
    assert list(executor.map(Counter().bump, range(3))) == [1] * 3
    assert [pool.apply(Counter()) for _ in range(3)] == [1] * 3
    assert list(pool.imap(Counter().bump, range(3))) == [1] * 3
    assert sorted(pool.imap_unordered(Counter(), range(3))) == [1] * 3
    assert pool.map(Counter(), range(3), chunksize=1) == [1] * 3
    assert pool.starmap(Counter(), [(1,), (2,)], chunksize=1) == [1] * 2
    assert set(pool.map(Counter(), range(8), chunksize=2)) <= {1, 2}
    items: list[int] = []
    bound = functools.partial(append_to, items)
    assert [pool.apply(bound, (n,)) for n in range(2)] == [[0], [1]]
    assert pool.map(bound, range(2), chunksize=1) == [[0], [1]]
    assert [pool.apply(grow, (items,)) for _ in range(2)] == [[0], [0]]
    count = 0

    def step(_: int) -> int:
        nonlocal count
        count += 1
        return count

    assert list(pool.imap(step, range(3))) == [1] * 3
    assert [pool.apply(step, (0,)) for _ in range(2)] == [1] * 2


def check_states(pool: Any, executor: Executor) -> None:
    first, second = Model("m", 1), Model("m", 5)
    point = Point(1)
    for call in (pool.apply, lambda f, args: executor.submit(f, *args).result()):
        assert [call(first, (1,)), call(second, (1,))] == [2, 6]
        for x in (1, 2):
            point.x = x
            assert call(point_x, (point,)) == x
        total = 0

        def add(x: int) -> int:
            return x + total  # noqa: B023 - that is what it is about

        for total in (1, 2, 3):
            assert call(add, (0,)) == total


def point_x(point: Point) -> int:
    return point.x


def check_arrays(pool: Any) -> None:
    read_only = np.frombuffer(np.arange(3.0).tobytes())
    assert pool.apply(fill, (read_only,)) == 8.0
    assert pool.apply(lambda a: fill(a) + 1, (np.broadcast_to(1.0, 3),)) == 8.0
    for made in (pool.apply(np.frombuffer, (bytes(24),)), pool.apply(np.arange, (3,))):
        assert made.flags.writeable
    shown = pool.apply(lambda: np.frombuffer(bytes(24)))
    assert shown.flags.writeable


if __name__ == "__main__":
    table = [7, 8, 9]

    def read(index: int) -> int:
        return table[index]

    def twice(x: int) -> int:
        return x if x > 4 else twice(2 * x)

    class Only:
        pass

    hidden = {
        "table": table,
        "read": read,
        "twice": twice,
        "Only": Only,
        "make": lambda: [Only()][0],
        "know": lambda thing: isinstance(thing, Only),
    }
    with Pool(2, initialize, (42,)) as pool, Executor(1) as executor:
        check_names(pool)
        check_hidden(pool, hidden)
        check_copies(pool, executor)
        check_states(pool, executor)
        check_arrays(pool)
    print("done")
