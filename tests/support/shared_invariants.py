"""Checks the invariants that ``headrace_coordinator.shared.state`` lists."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from headrace_coordinator.shared.dicts import DictObject
from headrace_coordinator.shared.lists import ListObject
from headrace_coordinator.shared.objects import Item, SharedObject, measure_empty
from headrace_coordinator.shared.queues import QueueObject
from headrace_coordinator.shared.state import SharedState
from headrace_coordinator.shared.values import ValueObject


def list_items(one: SharedObject) -> list[Item]:
    """All items of an object; of a queue first those that are held, all in their order."""
    match one:
        case ValueObject():
            return [one._item]
        case ListObject():
            return one._items
        case DictObject():
            return list(one._items.values())
        case QueueObject():
            return [*sorted(one._held.values(), key=lambda item: item.number), *one._waiting]
        case _:
            return []


def check_shared_state(state: SharedState) -> None:
    """Raise AssertionError with the number of the invariant that does not hold."""
    answers = sum(session.answer_bytes for session in state.sessions.by_id.values())
    objects = sum(one.size_bytes for one in state.objects.values())
    assert state.context.size_bytes == objects + answers, "1"
    by_key: Counter[str] = Counter()
    for one in state.objects.values():
        by_key[one.owner] += one.size_bytes
    for session in state.sessions.by_id.values():
        by_key[session.key] += session.answer_bytes
    assert state.context.size_by_key == by_key, "1"
    assert state.objects_by_key == Counter(one.owner for one in state.objects.values()), "1"
    sizes = sum(session.size_bytes for session in state.sessions.by_id.values())
    assert state.sessions.size_bytes == sizes, "1"
    for name, one in state.objects.items():
        items = list_items(one)
        assert one.size_bytes == measure_empty(name) + sum(item.size_bytes for item in items), "1"
        for session in state.sessions.by_id.values():
            assert (name in session.holding) == one.holds(session.id), f"2: {name}"
        for holder in one.holders():
            assert holder.session in state.sessions.by_id, f"2: {name}"
        ordered = [item.number for item in items if item.holder is None]
        assert all(left < right for left, right in pairwise(ordered)), f"3: {name}"
        assert len({item.number for item in items}) == len(items), f"3: {name}"
    for session in state.sessions.by_id.values():
        assert session.holding <= state.objects.keys(), "2"
