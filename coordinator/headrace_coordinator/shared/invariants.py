"""Checks of the room's invariants, as ``room`` states them, for tests of every kind."""

from __future__ import annotations

from itertools import pairwise

from headrace_coordinator.shared.room import SharedRoom


def check_room(room: SharedRoom) -> None:
    """Raise AssertionError with the number of the invariant that is broken."""
    answers = sum(session.answer_bytes for session in room.sessions.values())
    objects = sum(one.size_bytes for one in room.objects.values())
    assert room.ground.size_bytes == objects + answers, "1"
    sizes = sum(session.size_bytes for session in room.sessions.values())
    assert room.session_bytes == sizes, "1"
    for name, one in room.objects.items():
        items = list(one.items())
        assert one.size_bytes == one.empty_bytes + sum(item.size_bytes for item in items), "1"
        for session in room.sessions.values():
            assert (name in session.holding) == one.holds(session.id), f"2: {name}"
        for holder in one.holders():
            assert holder.session in room.sessions, f"2: {name}"
        ordered = [item.number for item in items if item.holder is None]
        assert all(left < right for left, right in pairwise(ordered)), f"3: {name}"
        assert len({item.number for item in items}) == len(items), f"3: {name}"
    for session in room.sessions.values():
        assert session.holding <= room.objects.keys(), "2"
