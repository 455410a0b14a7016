"""A hundred thousand tasks, and all that may happen to a cluster meanwhile. See `make chaos`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.chaos.run import run_chaos
from support.chaos.schedule import KINDS, make_schedule
from support.chaos.settings import ChaosSettings

#: The plan of faults that CI goes through; CHAOS_SEED picks another.
SEED = 20261121

#: Seconds for which faults are injected.
SECONDS = 50.0


def test_the_same_seed_plans_the_same_faults() -> None:
    plan = make_schedule(7, SECONDS, lease_seconds=2.0)
    assert plan == make_schedule(7, SECONDS, lease_seconds=2.0)
    assert plan != make_schedule(8, SECONDS, lease_seconds=2.0)


def test_every_kind_of_fault_is_planned_in_the_order_of_time() -> None:
    for seconds in (10.0, SECONDS, 600.0):
        plan = make_schedule(SEED, seconds, lease_seconds=2.0)
        assert {step.fault for step in plan} == set(KINDS)
        times = [step.at_seconds for step in plan]
        assert times == sorted(times)
        assert times[-1] <= seconds


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_task_has_one_outcome_whatever_is_killed_cut_or_lost(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED", SEED))
    print(f"seed {seed}")
    settings = ChaosSettings(seed=seed, tasks=100_000, seconds=SECONDS, limit_seconds=240.0)
    outcome = run_chaos(settings, tmp_path, print)
    print(outcome.table)
    assert not outcome.problems, outcome.problems
    assert outcome.seen == set(KINDS), "some faults did nothing"
