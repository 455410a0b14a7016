"""How many workers are decided on: a table, and a simulation over time."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.scaling.decision import (
    Bounds,
    Candidate,
    Decision,
    History,
    Observation,
    choose_leaving,
    decide,
)

BOUNDS = Bounds(1, 16, target_seconds=60, cooldown_seconds=300)

LONG_AGO = -10_000.0

#: Nothing has been asked for, and for long enough nothing more was needed.
SETTLED = History(since=LONG_AGO, slots_each=4.0)


def make_worker(number: int, busy: int = 0, **replaced: Any) -> Candidate:
    values: dict[str, Any] = {
        "id": f"id-{number}", "name": f"worker-{number}", "host": f"host-{number}", "slots": 4,
        "busy": busy, "is_draining": False, "connected_at": float(number),
    }  # fmt: skip
    return Candidate(**{**values, **replaced})


def make_workers(number: int, busy: int = 4) -> tuple[Candidate, ...]:
    return tuple(make_worker(one, busy) for one in range(number))


def see(
    work_seconds: float, tasks: int, workers: tuple[Candidate, ...], **more: Any
) -> Observation:
    return Observation(0.0, work_seconds, tasks, workers, **more)


@pytest.mark.parametrize(
    ("observation", "said"),
    [
        (see(2400, 40, ()), "from 0 workers to 1: work and no slot"),
        (see(0, 0, (), is_working=True), "from 0 workers to 1: all work is done"),
    ],
)
def test_how_many_workers_are_wanted_is_told_as_a_number(
    observation: Observation, said: str
) -> None:
    bounds = Bounds(0, 16, target_seconds=60, cooldown_seconds=300)
    assert decide(observation, bounds, History()).describe().startswith(said)


@pytest.mark.parametrize(
    ("observation", "history", "wanted", "why"),
    [
        pytest.param(see(0, 0, make_workers(1, 0)), SETTLED, 1, "no work", id="idle"),
        pytest.param(see(240, 1000, make_workers(1)), SETTLED, 1, "work for 60 s", id="in time"),
        pytest.param(see(250, 1000, make_workers(1)), SETTLED, 1, "on 4 slots", id="nearly"),
        pytest.param(see(480, 1000, make_workers(1)), SETTLED, 2, "120 s|2 min", id="twice"),
        pytest.param(see(9600, 1000, make_workers(1)), SETTLED, 2, "to be done in 60 s",
                     id="doubles at a time"),
        pytest.param(see(9600, 1000, make_workers(12)), SETTLED, 16, "", id="no more than most"),
        pytest.param(see(9600, 6, make_workers(1)), SETTLED, 2, "6 tasks", id="one slot a task"),
        pytest.param(see(9600, 1, make_workers(1, 1)), SETTLED, 1, "1 task", id="one long task"),
        pytest.param(see(0, 0, ()), SETTLED, 1, "1 worker at least; there is no work",
                     id="below the least"),
        pytest.param(see(9600, 50, ()), History(), 1, "no slot", id="the first tells its slots"),
        pytest.param(see(9600, 50, make_workers(4)), SETTLED, 8, "", id="doubles 4"),
        pytest.param(see(9600, 500, make_workers(1), other_slots=200, others_seconds=9600),
                     SETTLED, 1, "",
                     id="others do it"),
        pytest.param(see(9600, 500, make_workers(1), held="the disk is full"), SETTLED, 1,
                     "more would not help: the disk is full", id="held"),
        pytest.param(see(9600, 500, make_workers(2)), History((), LONG_AGO, 4, -20, 4.0),
                     8, "", id="those on the way count"),
        pytest.param(see(900, 500, make_workers(2)), History((), LONG_AGO, 4, -20, 4.0), 2,
                     "2 workers more were asked for before", id="enough are on the way"),
        pytest.param(see(900, 500, make_workers(2)), History((), LONG_AGO, 4, -301, 4.0), 4, "",
                     id="those that never came are asked for again"),
        pytest.param(see(0, 0, make_workers(4, 0)), SETTLED, 1, "no work", id="idle ones go"),
        pytest.param(see(0, 0, make_workers(4, 0)), History((), -20.0, None, LONG_AGO, 4.0), 4,
                     "1 would do, if that is so for 5 min more|280 s", id="not at once"),
        pytest.param(see(0, 0, make_workers(4, 0)), History((), LONG_AGO, 4, -100, 4.0), 4,
                     "1 would do", id="not soon after more were asked for"),
        pytest.param(see(0, 0, make_workers(4, 0)), History(((-30.0, 3),), LONG_AGO, 4, LONG_AGO,
                     4.0), 3, "", id="as many as were needed of late"),
        pytest.param(see(60, 100, make_workers(4)), SETTLED, 4, "", id="busy ones stay"),
        pytest.param(see(600, 10, make_workers(20)), SETTLED, 16, "16 workers at most",
                     id="too many go, busy or not"),
    ],
)  # fmt: skip
def test_how_many_there_should_be(
    observation: Observation, history: History, wanted: int, why: str
) -> None:
    decision = decide(observation, BOUNDS, history)
    assert decision.workers == wanted
    current = len(observation.workers)
    assert decision.is_change == (wanted != current)
    assert len(decision.leaving) == max(0, current - wanted)
    assert any(one in decision.why for one in why.split("|")), decision.why
    assert "\n" not in decision.why


def test_without_work_none_are_needed_where_none_is_allowed() -> None:
    bounds = Bounds(0, 4)
    assert decide(see(0, 0, make_workers(1, 0)), bounds, SETTLED).workers == 0
    assert not decide(see(0, 0, ()), bounds, SETTLED).is_change
    assert decide(see(0.5, 1, ()), bounds, SETTLED).workers == 1


def test_at_the_first_look_as_many_are_asked_for_as_are_needed() -> None:
    observation = see(1900, 1000, make_workers(1))
    assert decide(observation, BOUNDS, History()).workers == 8
    assert decide(observation, BOUNDS, SETTLED).workers == 2


def test_those_that_do_the_least_go_first_and_of_these_the_newest() -> None:
    workers = [make_worker(1, busy=2), make_worker(2), make_worker(3, busy=1), make_worker(4)]
    chosen = [worker.name for worker in choose_leaving(workers, 3)]
    assert chosen == ["worker-4", "worker-2", "worker-3"]


def test_those_that_drain_are_not_counted_and_not_chosen_again() -> None:
    draining = make_worker(9, is_draining=True)
    observation = see(0, 0, (*make_workers(2, 0), draining))
    decision = decide(observation, BOUNDS, SETTLED)
    assert decision.workers == 1
    assert [worker.name for worker in decision.leaving] == ["worker-1"]


def test_after_a_time_in_which_nothing_was_seen_nobody_goes_at_once() -> None:
    observation = see(0, 0, make_workers(4, 0))
    assert decide(observation, BOUNDS, SETTLED).leaving
    assert not decide(observation, BOUNDS, SETTLED.forget()).leaving


class Simulation:
    """Workers that take a while to start, and work of so many slot seconds."""

    def __init__(
        self, bounds: Bounds, slots: int, start_seconds: float, task_seconds: float
    ) -> None:
        self.bounds, self.slots = bounds, slots
        self.start_seconds, self.task_seconds = start_seconds, task_seconds
        self.now, self.work, self.made = 0.0, 0.0, 0
        self.history = History()
        self.starting: list[float] = []
        #: When each worker came, the oldest first.
        self.workers: list[float] = []
        self.changes: list[float] = []

    def step(self, seconds: float, arriving: float) -> Decision:
        """Let time pass, and decide."""
        self.now += seconds
        self.workers += [self.now for moment in self.starting if moment <= self.now]
        self.starting = [moment for moment in self.starting if moment > self.now]
        observation = self.work_for(seconds, arriving)
        decision = decide(observation, self.bounds, self.history)
        self.history = decision.history
        for worker in decision.leaving:  # drained: what it did is done by others
            self.workers.remove(worker.connected_at)
        if decision.is_change:
            self.changes.append(self.now)
            missing = decision.workers - len(self.workers) - len(self.starting)
            self.starting += [self.now + self.start_seconds] * missing
        return decision

    def work_for(self, seconds: float, arriving: float) -> Observation:
        slots = len(self.workers) * self.slots
        self.work += arriving
        done = min(self.work, slots * seconds)
        self.work -= done
        waiting = ceil(self.work / self.task_seconds)
        busy = min(slots, max(waiting, ceil(done / seconds)))
        workers = tuple(
            make_worker(
                place,
                max(0, min(self.slots, busy - place * self.slots)),
                slots=self.slots,
                connected_at=came_at,
            )
            for place, came_at in enumerate(self.workers)
        )
        return Observation(self.now, self.work, max(waiting, busy), workers, is_working=done > 0)


@settings(max_examples=15, deadline=None)
@given(
    least=st.integers(0, 3),
    more=st.integers(1, 20),
    slots=st.integers(1, 8),
    start_seconds=st.floats(0, 200),
    task_seconds=st.floats(0.1, 100),
    arriving=st.lists(st.floats(0, 500), min_size=3, max_size=10),
)
def test_the_number_stays_within_its_bounds_and_settles(
    least: int,
    more: int,
    slots: int,
    start_seconds: float,
    task_seconds: float,
    arriving: list[float],
) -> None:
    bounds = Bounds(least, least + more, 60, 300)
    simulation = Simulation(bounds, slots, start_seconds, task_seconds)

    def step(amount: float) -> None:
        before = len(simulation.workers)
        decision = simulation.step(15, amount)
        assert len(simulation.workers) + len(simulation.starting) <= bounds.most
        if decision.is_change:
            assert bounds.least <= decision.workers <= bounds.most
        busy = sum(worker.busy for worker in decision.leaving)
        assert not busy or before > bounds.most, "one that is busy goes"

    for amount in arriving:
        for _ in range(4):
            step(amount)
    for _ in range(300):
        step(arriving[-1])
    changes = [moment for moment in simulation.changes if moment > simulation.now - 60 * 15]
    assert len(changes) <= 1, "it does not settle"
    simulation.work = 0.0  # the rest is cancelled
    for _ in range(80):
        step(0.0)
    assert len(simulation.workers) == bounds.least


def test_it_follows_a_burst_up_and_down() -> None:
    simulation = Simulation(Bounds(1, 8, 60, 300), 4, 30, 1.0)
    simulation.step(15, 0)
    simulation.step(15, 0)
    numbers = [simulation.step(15, 40_000 if place == 3 else 0).workers for place in range(160)]
    assert max(numbers) == 8
    assert numbers[-1] == 1
    assert sorted(numbers[: numbers.index(8)]) == numbers[: numbers.index(8)]
    assert len(simulation.changes) <= 8
