"""A worker far away: a relay delays all that passes between it and the coordinator."""

from __future__ import annotations

import time

import pytest

from headrace_wire.address import Address
from support.commands import Site
from support.distance import Line
from support.probe.headrace_probe import plan

#: A round trip between continents, and tasks that last as long.
ROUND_TRIP = 0.2
NAP_SECONDS = 0.2
TASKS = 30


@pytest.mark.xdist_group("distance")
def test_a_worker_far_away_is_kept_busy(own_site: Site) -> None:
    own_site.workers.pop().stop()
    with Line(Address("127.0.0.1", own_site.port), ROUND_TRIP) as line:
        own_site.add_worker("--coordinator", f"127.0.0.1:{line.address.port}", "--slots", "2")
        with own_site.open_cluster() as cluster:
            job = cluster.submit("probe", plan(TASKS, sleep_seconds=NAP_SECONDS))
            moments = [time.monotonic() for _ in job.values(ordered=False)]
            # What comes at a time, and how long the first ones take, is of no interest here.
            middle = moments[TASKS // 3 : -2]
        own_site.workers.pop().stop()
    busy = (len(middle) - 1) * NAP_SECONDS / 2 / (middle[-1] - middle[0])
    # One that asks for work when a slot is free is busy for half of the time.
    assert busy > 0.75
