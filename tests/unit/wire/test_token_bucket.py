"""How much may be said at once and in a second."""

from __future__ import annotations

from headrace_wire.token_bucket import TokenBucket


def test_some_at_once_and_then_some_in_a_second() -> None:
    bucket = TokenBucket(5, 2, 0.0)
    assert [bucket.take(0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert [bucket.take(1.0) for _ in range(3)] == [True, True, False]
    assert bucket.left_out == 3
    assert sum(bucket.take(1000.0) for _ in range(10)) == 5


def test_after_a_flood_it_pauses_until_there_is_room_for_several() -> None:
    bucket = TokenBucket(10, 1, 0.0, pause_for=4)
    for _ in range(11):
        bucket.take(0.0)
    assert not bucket.take(3.5)
    assert [bucket.take(4.5) for _ in range(6)] == [True] * 4 + [False] * 2
