"""What the bells of the coordinator ring for, by name."""

from __future__ import annotations

#: Topic that rings when tasks can be leased again.
WORK = "work"

#: Topic that rings when there may be room in the spool again.
SPOOL = "spool"


def name_orders_topic(worker: str) -> str:
    """Topic that rings when there are orders for a worker."""
    return f"orders {worker}"


def name_job_topic(job: str) -> str:
    """Topic that rings when something of a job changed."""
    return f"job {job}"


def name_log_topic(job: str) -> str:
    """Topic that rings when something came to a job's log, or may come no more."""
    return f"log {job}"
