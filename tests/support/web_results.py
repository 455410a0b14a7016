"""Jobs that are done at once, and what the page says of their results."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from headrace_services.primes import PRIMES
from headrace_services.primes.partition import Partition
from headrace_wire.batch import pack_batch
from headrace_wire.encoding import pack
from headrace_wire.manager import QueueManager
from headrace_wire.messages.jobs import JobSpec
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan, Report
from headrace_wire.messages.workers import WorkerInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from support.web_site import WebSite

#: The range of the jobs of primes.
RANGE = Partition(0, 1000, 250)

_numbers = itertools.count(1)


def finish(
    site: WebSite,
    job: str,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    values: Sequence[bytes],
    tasks: int = 0,
) -> None:
    """Submit a job, and report these values of its first tasks."""
    tasks = tasks or len(values)
    # What is left of a job has its turn last.
    priority = -100 if tasks > len(values) else 0
    packed = pack(parameters)
    site.jobs.submit(JobSpec(job, service, operation, packed, tasks, priority=priority))
    manager = QueueManager(site.coordinator.bound, site.read_key("worker").encode())
    jobs, results = manager.jobs(), manager.results()
    worker = f"w{next(_numbers)}"
    info = (worker, "name", "host", 1, 1, "", "spawn", "0", {service: "x"}, 1.0, 0, "3", "pool")
    jobs.register(WorkerInfo(*info), ())
    number = 0
    done = 0
    while done < len(values):
        grant = jobs.lease(LeaseRequest(worker, 1, len(values) - done, 5.0, ()))
        runs: list[DoneSpan] = []
        for lease in grant.leases:
            assert lease.job == job
            stop = min(lease.stop, len(values))
            batch = pack_batch(values[lease.start : stop])
            runs.append(DoneSpan(lease.id, job, lease.start, stop, batch, 0.0, 0.0, {}))
            done += stop - lease.start
        number += 1
        results.report(Report(worker, number, tuple(runs), (), (), ()))
    jobs.leave(worker)
    manager.close()


def finish_primes(site: WebSite, job: str, operation: str = "find", left: int = 0) -> None:
    parameters = RANGE.to_parameters()
    run = PRIMES.prepare(operation, parameters)
    values = [run(index, None) for index in range(RANGE.tasks - left)]
    finish(site, job, "primes", operation, parameters, values, RANGE.tasks)


def look(site: WebSite, job: str, what: str, role: Any = "client") -> httpx.Response:
    with site.call(role) as program:
        return program.get(f"/jobs/{job}/{what}")
