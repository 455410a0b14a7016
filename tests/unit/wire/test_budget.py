"""Memory for frames: shared, in turn, and never waited for by all at once."""

from __future__ import annotations

import random

import pytest

from headrace_wire.budget import SHORT_BYTES, Budget

UNIT = 1 << 20


class Frame:
    """A frame that arrives, and knows when it may go on."""

    def __init__(self, budget: Budget, *groups: str) -> None:
        self.budget = budget
        self.groups = groups
        self.resumed = 0

    def claim(self, units: int) -> bool:
        return self.budget.claim(self, units * UNIT)

    def resume(self) -> None:
        self.resumed += 1

    def release(self) -> None:
        self.budget.release(self)


@pytest.fixture
def budget() -> Budget:
    return Budget(10 * UNIT)


def test_room_is_granted_as_long_as_there_is_some(budget: Budget) -> None:
    one, two = Frame(budget), Frame(budget)
    assert one.claim(4)
    assert one.claim(6)
    assert two.claim(4)
    assert budget.total == 10 * UNIT
    assert not budget.is_short


def test_whoever_finds_none_waits_and_goes_on_in_turn(budget: Budget) -> None:
    one, two, three = (Frame(budget) for _ in range(3))
    assert one.claim(8)
    assert not two.claim(4)
    assert not three.claim(1), "nobody passes those who wait"
    assert budget.is_short
    one.release()
    assert (two.resumed, three.resumed) == (1, 1)
    assert budget.total == 5 * UNIT


def test_short_frames_never_wait(budget: Budget) -> None:
    one, two = Frame(budget), Frame(budget)
    assert one.claim(10)
    assert not two.claim(1)
    assert budget.claim(Frame(budget), SHORT_BYTES)


def test_a_frame_that_is_larger_than_all_is_taken_alone(budget: Budget) -> None:
    assert Frame(budget).claim(100)


def test_when_all_wait_for_each_other_the_first_goes_on(budget: Budget) -> None:
    one, two = Frame(budget), Frame(budget)
    assert one.claim(5)
    assert two.claim(5)
    assert not one.claim(8), "the other one moves"
    assert not two.claim(8)
    assert one.resumed == 1
    one.release()
    assert two.resumed == 1


def test_whoever_goes_leaves_its_room_and_its_place(budget: Budget) -> None:
    one, two, three = (Frame(budget) for _ in range(3))
    assert one.claim(8)
    assert not two.claim(4)
    assert not three.claim(4)
    two.release()
    one.release()
    three.release()
    assert (two.resumed, three.resumed) == (0, 1)
    assert (budget.total, budget.is_short) == (0, False)


def test_what_is_reserved_for_an_answer_is_counted_until_its_size_is_known(budget: Budget) -> None:
    one, two, three = (Frame(budget) for _ in range(3))
    assert budget.reserve(one, 4 * UNIT)
    budget.hold(one, 9 * UNIT)
    assert not budget.reserve(two, 4 * UNIT)
    assert not budget.reserve(three, 4 * UNIT)
    one.release()
    assert (two.resumed, three.resumed) == (1, 1)
    budget.hold(two, 12 * UNIT)
    assert not budget.reserve(one, UNIT)
    budget.hold(two, SHORT_BYTES)
    assert one.resumed == 1
    one.release()
    three.release()
    assert budget.total == 0


def test_no_group_has_more_than_its_share_while_others_go_on(budget: Budget) -> None:
    one, two = Frame(budget, "here"), Frame(budget, "here")
    other = Frame(budget, "there")
    assert one.claim(7)
    assert not two.claim(3), "three quarters are for one group"
    assert other.claim(3), "it passes those who wait for their own group"
    one.release()
    assert two.resumed == 1
    assert budget.total == 6 * UNIT


def test_when_all_of_a_group_wait_for_each_other_one_goes_on_whatever_others_do(
    budget: Budget,
) -> None:
    other = Frame(budget, "there")
    assert other.claim(1)
    one, two = Frame(budget, "here"), Frame(budget, "here")
    assert one.claim(4)
    assert two.claim(3)
    assert not one.claim(8)
    assert not two.claim(8)
    assert one.resumed == 1


@pytest.mark.parametrize("seed", range(20))
def test_all_come_through_whatever_the_order(budget: Budget, seed: int) -> None:
    chance = random.Random(seed)
    frames = {Frame(budget, chance.choice("ab")): chance.randint(1, 30) for _ in range(20)}
    at = dict.fromkeys(frames, 0)
    asked: set[Frame] = set()
    most = 0
    while frames:
        ready = [one for one in frames if one not in asked or one.resumed]
        assert ready, "all wait for each other"
        frame = chance.choice(ready)
        granted = frame in asked
        asked.discard(frame)
        frame.resumed = 0
        if granted or frame.claim(max(1, min(2 * at[frame], frames[frame]))):
            at[frame] = max(1, min(2 * at[frame], frames[frame]))
            if at[frame] == frames[frame]:
                frame.release()
                del frames[frame]
        else:
            asked.add(frame)
        most = max(most, budget.total)
    assert budget.total == 0
    assert most <= (10 + 30) * UNIT, "one may exceed it"
