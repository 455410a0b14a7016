"""What the caller of a method may do, beyond what the role of its key says."""

from __future__ import annotations

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.queue import Queue
from headrace_wire.errors import NotAllowedError, UnknownJobError
from headrace_wire.roles import ADMIN, CLIENT, OBSERVER, caller


def name_key() -> str:
    """The name of the caller's key; "" for an administrator's."""
    holder = caller()
    return "" if holder.role == ADMIN else holder.name


#: The key for whose workers alone the caller may speak; "" for all of them.
name_worker_key = name_key


def may_see_values() -> bool:
    """Whether the caller may have what a job brings along, and exceptions as its tasks raised them.

    Observers may not: a pool's function and the arguments of its initializer are as good as inputs.
    """
    return caller().role != OBSERVER


class JobAccess:
    """Whose jobs a client may know of: everybody's, or where they are ``private`` its own.

    Admins and observers know of all of them, and workers of those that they work for. Whoever looks
    with a client's key (``headrace web --observer``) is a client in this.
    """

    def __init__(self, ledger: Ledger, *, private: bool = False) -> None:
        self._ledger = ledger
        self._private = private

    def find_limit(self) -> str | None:
        """The name of the key whose jobs alone the caller may know of; None for all."""
        holder = caller()
        is_client = CLIENT in {holder.role, holder.key_role}
        return holder.name if self._private and is_client else None

    def require_shared_workers(self) -> None:
        """Raise NotAllowedError for a caller whose jobs are private: workers are everybody's."""
        if self.find_limit() is not None:
            raise NotAllowedError(
                "jobs are private here (--private-jobs), and workers are everybody's: only an "
                "administrator's key may drain one"
            )

    def require(self, job_id: str) -> None:
        """Raise UnknownJobError for a job that the caller may not know of."""
        by = self.find_limit()
        if by is not None and not self._ledger.observe(
            lambda queue, _: may_know(queue, job_id, by)
        ):
            raise refuse_job(job_id)


def refuse_job(job_id: str) -> UnknownJobError:
    """What a caller is told of a job that is somebody else's."""
    return UnknownJobError(
        f"there is no job {job_id!r} of yours: `headrace jobs` lists those there are"
    )


def may_know(queue: Queue, job_id: str, by: str) -> bool:
    """Whether a job is one of this key's, or nobody's yet."""
    job = queue.state.jobs.get(job_id)
    return job is None or job.submitted_by == by
