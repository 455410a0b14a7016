"""What the caller of a method may do, beyond what the role of its key says."""

from __future__ import annotations

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.queue import Queue
from headrace_wire.errors import NotAllowedError, UnknownJobError
from headrace_wire.roles import ADMIN, CLIENT, OBSERVER, caller


def name_key() -> str:
    """Return the name of the caller's key; "" for an administrator's key."""
    holder = caller()
    return "" if holder.role == ADMIN else holder.name


#: Returns the name of the key for whose workers alone the caller may act; "" for all workers.
name_worker_key = name_key


def may_see_values() -> bool:
    """Return whether the caller may read the parameters of jobs, and exceptions as tasks raised
    them.

    Observers may not: a pool's function and the arguments of its initializer are like inputs.
    """
    return caller().role != OBSERVER


class JobAccess:
    """Which jobs a client may access: all of them, or only its own if they are ``private``.

    Admins and observers may access all jobs, and workers those that they work for. If someone uses
    the page with a client's key (``headrace web --observer``), the rules for clients apply.
    """

    def __init__(self, ledger: Ledger, *, private: bool = False) -> None:
        self._ledger = ledger
        self._private = private

    def find_limit(self) -> str | None:
        """Return the name of the key whose jobs alone the caller may access; None for all."""
        holder = caller()
        is_client = CLIENT in {holder.role, holder.key_role}
        return holder.name if self._private and is_client else None

    def require_shared_workers(self) -> None:
        """Raise NotAllowedError for a caller whose jobs are private, because all share the
        workers.
        """
        if self.find_limit() is not None:
            raise NotAllowedError(
                "jobs are private here (--private-jobs), and workers are everybody's: only an "
                "administrator's key may drain one"
            )

    def require(self, job_id: str) -> None:
        """Raise UnknownJobError for a job that the caller may not access."""
        by = self.find_limit()
        if by is not None and not self._ledger.observe(
            lambda queue, _: may_know(queue, job_id, by)
        ):
            raise refuse_job(job_id)


def refuse_job(job_id: str) -> UnknownJobError:
    """Return the error for a job that belongs to somebody else."""
    return UnknownJobError(
        f"there is no job {job_id!r} of yours: `headrace jobs` lists those there are"
    )


def may_know(queue: Queue, job_id: str, by: str) -> bool:
    """Return whether a job belongs to this key, or does not exist."""
    job = queue.state.jobs.get(job_id)
    return job is None or job.submitted_by == by
