"""Jobs of the probe service, submitted to a cluster and fetched from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.submission import SubmitOptions

if TYPE_CHECKING:
    from headrace.cluster import Cluster
    from headrace.job import Job
    from headrace_services.service import Plan


def submit(cluster: Cluster, planned: Plan, **options: object) -> Job:
    return cluster.submit("probe", planned, SubmitOptions(**options))  # type: ignore[arg-type] # a test names what it cares for


def drain(job: Job) -> dict[int, bytes]:
    """All values of a job, waiting for its end."""
    return dict(job.values(ordered=False))
