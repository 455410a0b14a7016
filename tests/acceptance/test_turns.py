"""A new job begins at once, however many others wait."""

from __future__ import annotations

import time

from headrace import Cluster
from support.commands import Site

#: Jobs that wait, and tasks of each: half an hour of work for two slots.
JOBS = 150
TASKS = 240
TASK_SECONDS = 0.1

#: Seconds within which a task of a new job is done. In a turn after the others it would be a
#: multiple of what the others' first tasks take, in two slots.
SOON_SECONDS = 0.5 * JOBS * TASK_SECONDS / 2


def test_a_new_job_of_one_task_begins_among_many_big_ones(own_site: Site) -> None:
    own_site.add_worker(
        "--slots", "2", "--name", "two", "--allow", "time:sleep", "--allow", "operator:neg"
    )
    with Cluster(own_site.address, key_file=own_site.data / "key") as cluster:
        for _ in range(JOBS):
            cluster.map("time:sleep", [TASK_SECONDS] * TASKS)
        started = time.monotonic()
        assert list(cluster.map("operator:neg", [1]).results()) == [-1]
        assert time.monotonic() - started < SOON_SECONDS
        begun = sum(status.done > 0 for status in cluster.jobs())
        assert begun < JOBS, "all others had their turn before"
