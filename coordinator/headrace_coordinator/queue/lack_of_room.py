"""Explains to people why nothing can be leased for lack of space, and what helps."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from headrace_coordinator.queue.job import Job
from headrace_wire.words import format_bytes


class Lack(Struct, frozen=True):
    """What is kept, what may be kept, and what the disk has besides, in bytes.

    The next task adds ``growth_bytes`` in the end, and its value has ``value_bytes``. What runs is
    expected to add ``expected_bytes``. ``scratch`` is the folder of a coordinator that works for
    one program only, "" for others.
    """

    kept_bytes: int
    limit_bytes: float
    disk_bytes: float
    expected_bytes: int
    growth_bytes: float
    value_bytes: float
    scratch: str

    @property
    def is_of_disk(self) -> bool:
        """Whether the disk has less space than the limit leaves."""
        return self.disk_bytes < self.limit_bytes - self.kept_bytes

    def lasts_without(self, freed_bytes: int) -> bool:
        """Return whether the next task would still not fit if so much was no longer kept."""
        room = self.limit_bytes - self.kept_bytes + freed_bytes
        return self.growth_bytes > room or self.value_bytes > self.disk_bytes + freed_bytes


def explain_lack(lack: Lack, job: Job | None, jobs: Collection[Job]) -> str:
    """Return why no task of ``job`` is leased, or for None of any of the ``jobs``."""
    own = 0
    if job and keeps_results(job) and lack.lasts_without(lack.kept_bytes - job.spool_bytes):
        own = int((job.mean_bytes or 0) * job.tasks) or job.result_bytes
    if lack.scratch:
        return _explain_scratch(lack, own)
    if lack.is_of_disk:
        full = f"the coordinator's disk is full ({lack.kept_bytes} bytes are kept for jobs)"
        more = "make room on that disk"
    else:
        expected = lack.expected_bytes
        out = f", and {expected} expected from what runs" if expected else ""
        of = f"{lack.kept_bytes} of {lack.limit_bytes} bytes{out}"
        full = f"the coordinator's spool is full ({of})"
        more = "start the coordinator again with a larger --spool-limit"
    if own:
        return (
            f"{full}: the results of this job, about {own} bytes in all, are kept until it ends: "
            f"{more}, or cancel or delete the job"
        )
    going = [one for one in jobs if keeps_results(one)]
    if going and lack.lasts_without(lack.kept_bytes - sum(one.spool_bytes for one in going)):
        if len(going) == 1:
            return (
                f"{full} with results of a job that has not ended: {more}, or cancel or delete it"
            )
        return (
            f"{full} with results of {len(going)} jobs that have not ended: {more}, or cancel or "
            "delete one of them"
        )
    return (
        f"{full}: work goes on when jobs that have ended are deleted or expire, when their results "
        f"are dropped (`headrace results ID --drop`), or if you {more}"
    )


def keeps_results(job: Job) -> bool:
    """Return whether a job keeps results until it ends, however often they are fetched."""
    return bool(job.result_bytes) and not job.is_final and not job.spec.owned


def _explain_scratch(lack: Lack, own_bytes: int) -> str:
    """Return the same for a program that has started a coordinator for itself."""
    wanted = f", and the results have about {format_bytes(own_bytes)} in all" if own_bytes else ""
    most = lack.kept_bytes + max(0.0, min(lack.disk_bytes, lack.limit_bytes - lack.kept_bytes))
    return (
        f"inputs and results do not fit into {lack.scratch}: {format_bytes(lack.kept_bytes)} are "
        f"kept there, there is room for {format_bytes(most)}{wanted}: set TMPDIR to a folder on a "
        "larger disk, and start the program again"
    )
