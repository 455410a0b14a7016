"""Records behave as dataclasses with slots do."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from headrace_wire.record import Record, as_dict, field, replace


class Point(Record):
    x: int
    y: int = 0


class Place(Point):
    name: str = ""


class Other(Record):
    x: int
    y: int = 0


class Basket(Record, frozen=False):
    items: list[str] = field(default_factory=list[str])
    count: int = 0


class Token(Record, eq=False):
    name: str


class Positive(Record):
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("negative")


class Nothing(Record):
    pass


def test_fields_are_given_by_place_or_by_name() -> None:
    assert as_dict(Point(1, 2)) == as_dict(Point(y=2, x=1)) == {"x": 1, "y": 2}
    assert Point(1).y == 0
    assert as_dict(Nothing()) == {}


@pytest.mark.parametrize("given", [{}, {"y": 1}, {"x": 1, "z": 2}])
def test_a_constructor_takes_nothing_but_its_fields(given: dict[str, int]) -> None:
    kind: Any = Point
    with pytest.raises(TypeError, match=r"Point\.__init__"):
        kind(**given)


def test_fields_of_bases_come_first() -> None:
    class Deep(Place):
        depth: int = 1

    assert Deep(1, 2, "here") == Deep(x=1, y=2, name="here", depth=1)
    assert repr(Place(1)) == "Place(x=1, y=0, name='')"


def test_each_instance_has_a_default_of_its_own() -> None:
    first, second = Basket(), Basket()
    first.items.append("apple")
    first.count += 1
    assert (second.items, second.count) == ([], 0)
    assert Basket(first.items).items is first.items


def test_equal_are_the_same_values_of_the_same_class() -> None:
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    assert Point(1) not in (Other(1), Place(1), (1, 0))
    assert Nothing() == Nothing()


def test_frozen_records_are_keys() -> None:
    assert {Point(1): "a"}[Point(1, 0)] == "a"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Basket())


def test_records_without_equality_are_themselves_alone() -> None:
    token = Token("a")
    assert token != Token("a")
    assert len({token, Token("a"), token}) == 2


def test_a_record_has_no_attributes_but_its_fields() -> None:
    point: Any = Point(1)
    with pytest.raises(AttributeError):
        point.z = 3


def test_what_is_given_can_be_refused() -> None:
    assert Positive(1).number == 1
    with pytest.raises(ValueError, match="negative"):
        Positive(-1)
    with pytest.raises(ValueError, match="negative"):
        replace(Positive(1), number=-1)


def test_another_is_made_with_changes() -> None:
    place = Place(1, 2, "here")
    assert replace(place, y=3) == Place(1, 3, "here")
    assert place.y == 2


@pytest.mark.parametrize("record", [Place(1, 2, "here"), Basket(["apple"], 1), Nothing()])
def test_records_are_copied_and_pickled(record: Record) -> None:
    for found in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):
        assert found == record
        assert found is not record


def test_patterns_match_by_place() -> None:
    match Place(1, 2, "here"):
        case Place(x, y, name):
            assert (x, y, name) == (1, 2, "here")
