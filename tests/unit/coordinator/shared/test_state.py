"""What shared objects do, refuse, and give back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_coordinator.shared.objects import ITEM_BYTES
from headrace_coordinator.shared.sessions import SESSION_SECONDS
from headrace_coordinator.store.store import Store
from headrace_wire.bounds import MAX_NAME_CHARACTERS
from headrace_wire.errors import (
    HeadraceError,
    LockLostError,
    ProtocolError,
    SharedFullError,
    SharedKindError,
    UnknownSharedError,
    UsageError,
)
from headrace_wire.messages.shared import DICT, EVENT, LIST, LOCK, QUEUE, VALUE, write_slice
from support.shared_builders import SharedRig, read
from support.shared_invariants import check_shared_state


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SharedRig]:
    store = Store(tmp_path / "store")
    yield SharedRig(store, limit_bytes=1 << 20)
    store.close()


def test_a_name_stands_for_one_kind(rig: SharedRig) -> None:
    rig.open("x", VALUE, 7)
    rig.open("x", VALUE, 8)
    assert read(rig.look("x", "get")) == [7]
    with pytest.raises(SharedKindError, match="'x' is a value, not a list"):
        rig.open("x", LIST)
    rig.open("y", EVENT)
    with pytest.raises(SharedKindError, match="'y' is an event, not a lock"):
        rig.open("y", LOCK)


@pytest.mark.parametrize("name", ["", "x" * (MAX_NAME_CHARACTERS + 1)])
def test_a_name_has_some_characters(rig: SharedRig, name: str) -> None:
    with pytest.raises(UsageError):
        rig.open(name, VALUE)


def test_a_kind_that_there_is_not_is_refused(rig: SharedRig) -> None:
    with pytest.raises(UsageError, match="only value, list"):
        rig.open("x", "set")


@pytest.mark.parametrize("kind", [VALUE, LIST, DICT, LOCK, EVENT, QUEUE])
def test_operations_that_there_are_not_are_refused(rig: SharedRig, kind: str) -> None:
    rig.open("x", kind)
    with pytest.raises(ProtocolError):
        rig.ask("x", "__class__")
    with pytest.raises(ProtocolError):
        rig.look("x", "change", 1, 2, 3)
    check_shared_state(rig.state)


@pytest.mark.parametrize("content", [True, "1", None, [1], 2**63, b"\x01"])
def test_only_numbers_are_added_to(rig: SharedRig, content: object) -> None:
    rig.open("x", VALUE, content)
    with pytest.raises(UsageError):
        rig.ask("x", "add", 2**63 if content == 2**63 else 1)
    assert read(rig.look("x", "get")) == [content]


def test_a_whole_number_and_a_fraction_make_a_fraction(rig: SharedRig) -> None:
    rig.open("x", VALUE, 1)
    assert read(rig.ask("x", "add", 0.5)) == [1.5]


def test_adding_under_a_new_key_begins_with_nothing(rig: SharedRig) -> None:
    rig.open("x", DICT)
    assert read(rig.ask("x", "add", "k", 3)) == [3]
    assert read(rig.ask("x", "add", "k", 3)) == [6]


def test_a_request_is_done_once_and_answered_twice(rig: SharedRig) -> None:
    rig.open("x", VALUE, 1)
    first = rig.ask("x", "add", 1)
    rig.restart()
    assert rig.repeat() == first
    assert read(rig.look("x", "get")) == [2]


def test_an_item_is_handed_out_once_for_one_request_through_a_restart(rig: SharedRig) -> None:
    rig.open("q", QUEUE)
    rig.ask("q", "put", 0)
    rig.ask("q", "put", 1)
    handed = rig.ask("q", "get")
    rig.restart()
    assert rig.repeat() == handed
    assert rig.look("q", "size").numbers == (1, 1, 0, 0)


def test_a_request_that_comes_after_its_successor_is_refused(rig: SharedRig) -> None:
    rig.open("x", VALUE, 1)
    rig.ask("x", "add", 1)
    late = rig.last["a"]
    rig.ask("x", "add", 1)
    rig.last["a"] = late
    with pytest.raises(ProtocolError):
        rig.repeat()
    assert read(rig.look("x", "get")) == [3]


def test_what_does_not_fit_is_refused_whole(rig: SharedRig) -> None:
    rig.open("x", LIST)
    rig.open("y", DICT)
    half = bytes(500_000)
    with pytest.raises(SharedFullError, match="--shared-limit"):
        rig.ask("x", "append", half, half, half)
    with pytest.raises(SharedFullError):
        rig.ask("y", "set", 1, half, 2, half, 3, half)
    assert rig.look("x", "len").numbers == rig.look("y", "len").numbers == (0,)
    rig.ask("x", "append", half, half)
    rig.ask("x", "delete")
    rig.ask("y", "set", 1, half, 2, half)
    check_shared_state(rig.state)


def test_values_of_an_extended_slice_change_places_in_a_state_that_is_nearly_full(
    rig: SharedRig,
) -> None:
    """On the way the first one alone would not fit; all together take no more than before."""
    rig.open("x", LIST)
    large = bytes(900_000)
    rig.ask("x", "append", b"a", b"b", large)
    assert rig.ask("x", "splice", large, b"a", numbers=write_slice(slice(None, None, 2))).done
    assert read(rig.look("x", "page", numbers=(0, 3)))[::2] == [large, b"a"]
    check_shared_state(rig.state)


def test_an_item_taken_out_makes_room_once_its_answer_is_not_repeated_any_more(
    rig: SharedRig,
) -> None:
    rig.open("x", LIST)
    before = rig.state.context.size_bytes
    rig.ask("x", "append", bytes(900_000))
    rig.ask("x", "pop", numbers=(0,))
    assert rig.state.context.size_bytes > before + 900_000 - ITEM_BYTES
    rig.ask("x", "append")
    assert rig.state.context.size_bytes == before


def test_a_lock_comes_free_when_its_holder_falls_silent(rig: SharedRig) -> None:
    rig.open("k", LOCK)
    assert rig.ask("k", "acquire").numbers == (1,)
    rig.wait(14.0)
    assert not rig.ask("k", "acquire", session="b").done
    rig.wait(1.0)
    assert rig.ask("k", "acquire", session="b").numbers == (2,)
    with pytest.raises(LockLostError, match="silent"):
        rig.ask("k", "release", numbers=(1,))
    assert rig.look("k", "state").numbers == (1, 2)


def test_a_heartbeat_keeps_a_lock_and_a_goodbye_frees_it(rig: SharedRig) -> None:
    rig.open("k", LOCK)
    rig.ask("k", "acquire")
    for _ in range(5):
        rig.wait(10.0)
        rig.beat()
    assert rig.look("k", "state").numbers == (1, 1)
    rig.leave()
    assert rig.look("k", "state").numbers == (0, 1)


def test_a_lock_survives_a_restart_with_its_holder_and_number(rig: SharedRig) -> None:
    rig.open("k", LOCK)
    rig.ask("k", "acquire")
    rig.restart()
    assert not rig.ask("k", "acquire", session="b").done
    rig.ask("k", "release", numbers=(1,))
    assert rig.ask("k", "acquire", session="b").numbers == (2,)


def test_a_request_for_a_lock_that_was_given_up_gets_nothing_any_more(rig: SharedRig) -> None:
    rig.open("k", LOCK)
    rig.ask("k", "acquire", session="b")
    assert not rig.ask("k", "acquire").done
    rig.beat("a", (rig.last["a"].stamp,))
    rig.leave("b")
    with pytest.raises(ProtocolError):  # a copy of it that had waited
        rig.repeat()
    assert rig.look("k", "state").numbers == (0, 1)


def test_items_of_a_silent_consumer_come_back_in_their_order(rig: SharedRig) -> None:
    rig.open("q", QUEUE)
    for item in range(4):
        rig.ask("q", "put", item)
    assert read(rig.ask("q", "get", session="a")) == [0]
    assert read(rig.ask("q", "get", session="b")) == [1]
    rig.wait(10.0)
    rig.beat("b")
    rig.wait(10.0)
    assert [read(rig.ask("q", "get", session="c", lane=n)) for n in range(3)] == [[0], [2], [3]]


def test_an_item_that_came_back_cannot_be_confirmed_by_who_lost_it(rig: SharedRig) -> None:
    rig.open("q", QUEUE)
    rig.ask("q", "put", 0)
    (number,) = rig.ask("q", "get").numbers
    rig.wait(20.0)
    assert rig.ask("q", "get", session="b").numbers == (number,)
    rig.ask("q", "confirm", numbers=(number,))
    assert rig.look("q", "size").numbers == (0, 1, 0, 0)


def test_consumers_end_when_a_closed_queue_is_empty_and_nobody_works_on_an_item(
    rig: SharedRig,
) -> None:
    rig.open("q", QUEUE)
    rig.ask("q", "put", 0)
    (number,) = rig.ask("q", "get").numbers
    rig.ask("q", "close", session="b")
    assert rig.ask("q", "put", 1, session="b").numbers == (0,)
    assert not rig.ask("q", "get", session="b").done
    end = rig.ask("q", "get", numbers=(number,))
    assert end.done
    assert not end.values
    assert rig.ask("q", "get", session="b") == end


def test_a_full_queue_takes_one_more_when_one_is_taken(rig: SharedRig) -> None:
    rig.open("q", QUEUE, maxsize=2)
    assert [rig.ask("q", "put", item).done for item in range(3)] == [True, True, False]
    rig.ask("q", "get", session="b")
    assert rig.ask("q", "put", 2).done


def test_a_deleted_object_is_gone_with_what_was_held_of_it(rig: SharedRig) -> None:
    for name, kind in (("k", LOCK), ("q", QUEUE)):
        rig.open(name, kind)
    rig.ask("q", "put", 0)
    rig.ask("q", "get")
    rig.ask("k", "acquire")
    for name in ("k", "q"):
        rig.ask(name, "delete")
        check_shared_state(rig.state)
        with pytest.raises(UnknownSharedError):
            rig.ask(name, "size")
    rig.restart()
    assert rig.state.statuses() == []


def test_a_session_is_forgotten_an_hour_after_its_last_word(rig: SharedRig) -> None:
    rig.open("x", VALUE)
    rig.ask("x", "add", 1)
    deadline = rig.queue.next_deadline()
    assert deadline == rig.seconds + SESSION_SECONDS
    rig.wait(SESSION_SECONDS)
    assert not rig.state.sessions.by_id
    rig.restart()
    assert not rig.state.sessions.by_id


def test_a_loop_over_a_dict_meets_what_is_put_in_meanwhile_and_nothing_twice(
    rig: SharedRig,
) -> None:
    rig.open("d", DICT)
    big = bytes(1 << 10)
    for key in range(8):
        rig.ask("d", "set", key, big)
    rig.ask("d", "pop", 7)
    rig.restart()
    rig.ask("d", "set", 8, big)
    seen = rig.look("d", "page", numbers=(-1,))
    rig.ask("d", "set", 0, big)
    rig.ask("d", "pop", 1)
    rig.ask("d", "set", 1, big)
    after = rig.look("d", "page", numbers=seen.numbers)
    assert [read(seen)[::2], read(after)[::2]] == [[0, 1, 2, 3, 4, 5, 6, 8], [1]]


def test_items_between_others_find_a_number_however_many_there_are(rig: SharedRig) -> None:
    rig.open("l", LIST)
    rig.ask("l", "append", "first", "last")
    expected: list[object] = ["first", "last"]
    for number in range(60):
        rig.ask("l", "insert", number, numbers=(1,))
        expected.insert(1, number)
    check_shared_state(rig.state)
    rig.restart()
    assert read(rig.look("l", "page", numbers=(0, 99))) == expected


def test_one_session_cannot_have_endless_lanes(
    rig: SharedRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_coordinator.shared.sessions.MAX_LANES", 3)
    rig.open("x", VALUE)
    for lane in range(3):
        rig.ask("x", "add", 1, lane=lane)
    with pytest.raises(HeadraceError):
        rig.ask("x", "add", 1, lane=3)
