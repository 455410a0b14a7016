"""Workers come, hold tasks, and go. Pure transitions."""

from __future__ import annotations

import heapq

from headrace_coordinator.events import (
    LeaseExpired,
    LeaseGranted,
    TaskDead,
    WorkAppeared,
    WorkerGone,
    WorkerJoined,
)
from headrace_coordinator.job import HeldLease, Job
from headrace_coordinator.membership import Member
from headrace_coordinator.ranges import RangeSet
from headrace_coordinator.retries import count_allowed
from headrace_coordinator.schedule import (
    MAX_GRANT_BYTES,
    estimate_seconds,
    pick_job,
    size_lease,
)
from headrace_coordinator.state import Now, QueueState
from headrace_wire.errors import UnknownWorkerError
from headrace_wire.messages import (
    LOST,
    Heartbeat,
    LeaseRequest,
    Orders,
    TaskFailure,
    WorkerInfo,
    WorkerStatus,
)


class Leasing:
    """Transitions that workers and the passing of time bring about."""

    def __init__(self, state: QueueState, lease_seconds: float) -> None:
        self._state = state
        self._lease_seconds = lease_seconds

    def register(self, info: WorkerInfo, now: Now) -> None:
        """Note that a worker is there. A repeated introduction keeps what it holds."""
        known = self._state.members.get(info.id)
        if known:
            known.heard = now.monotonic
            return
        self._state.members[info.id] = Member(
            info=info,
            connected_at=now.at,
            heard=now.monotonic,
            services=frozenset(info.engines),
        )
        self._state.events.append(WorkerJoined(info.name, info.slots))

    def lease(self, request: LeaseRequest, now: Now) -> list[HeldLease]:
        """Hand tasks to a worker; a repeated request gets what it got before.

        Raises UnknownWorkerError.
        """
        member = self._find_member(request.worker, now)
        if request.number == member.request:
            return [
                self._state.leases[lease] for lease in member.granted if lease in self._state.leases
            ]
        self.promote_delayed(now)
        granted: list[HeldLease] = []
        free, left = request.free_slots, MAX_GRANT_BYTES
        while free > 0 and left > 0:
            job = pick_job(self._state.jobs.values(), member.services)
            if job is None:
                break
            most = size_lease(job, free, self._state.count_slots())
            run = job.take(most, left)
            lease = self._grant(job, member, request.number, run, now)
            granted.append(lease)
            free -= min(lease.held.count, free)
            left -= self._measure_inputs(job, lease)
            if lease.attempt > 1:
                break  # what may take its worker along should take no other task with it
        if granted:
            member.request = request.number
            member.granted = tuple(lease.id for lease in granted)
        return granted

    def heartbeat(self, beat: Heartbeat, now: Now) -> bool:
        """Note that a worker lives, and take back what it does not hold. False: it is unknown.

        A lease that was granted in an answer that the worker has had, and that it does not name,
        is one that it forgot.
        """
        member = self._state.members.get(beat.worker)
        if member is None:
            return False
        member.heard = now.monotonic
        member.busy = beat.busy
        member.rss_bytes = beat.rss_bytes
        member.draining = beat.draining
        held = set(beat.leases)
        for lease_id in [lease for lease in member.leases if lease not in held]:
            lease = self._state.leases[lease_id]
            if lease.request <= beat.request:
                self._take_back(lease, charged=False, now=now)
        return True

    def take_orders(self, worker: str) -> Orders:
        """What a worker is to do; each order is given once."""
        member = self._state.members.get(worker)
        if member is None:
            return Orders(known=False, cancelled_jobs=())
        orders = tuple(sorted(member.orders))
        member.orders.clear()
        return Orders(known=True, cancelled_jobs=orders)

    def leave(self, worker: str, now: Now) -> None:
        """Take back all that a worker holds, uncharged: it went in good order."""
        self._dismiss(worker, charged=False, now=now)

    def hand_back(self, lease_id: int, start: int, stop: int, now: Now) -> None:
        """Let tasks of a lease wait again, uncharged: they were never started."""
        lease = self._state.leases.get(lease_id)
        job = self._state.jobs.get(lease.job) if lease else None
        if lease is None or job is None:
            return
        for left, right in lease.held.overlap(start, stop):
            lease.held.remove(left, right)
            job.leased -= right - left
            job.give_back(left, right, lease.attempt - 1, now.monotonic)
        if not lease.held:
            self._state.drop_lease(lease)
        self._state.events.append(WorkAppeared())

    def expire(self, now: Now) -> None:
        """Take back, charged, what is held by workers that fell silent."""
        for worker, member in list(self._state.members.items()):
            if now.monotonic - member.heard > self._lease_seconds:
                self._dismiss(worker, charged=True, now=now)

    def promote_delayed(self, now: Now) -> None:
        """Let tasks wait again whose pause is over."""
        for job in self._state.jobs.values():
            while job.delayed and job.delayed[0][0] <= now.monotonic:
                _, index, attempts = heapq.heappop(job.delayed)
                job.give_back(index, index + 1, attempts, now.monotonic)
                self._state.events.append(WorkAppeared())

    def next_deadline(self) -> float | None:
        """The monotonic time of the next thing that time alone brings about; None for nothing."""
        deadlines = [member.heard + self._lease_seconds for member in self._state.members.values()]
        deadlines += [job.delayed[0][0] for job in self._state.jobs.values() if job.delayed]
        return min(deadlines, default=None)

    def statuses(self, now: Now) -> list[WorkerStatus]:
        """Every worker, in the order of their names."""
        members = sorted(self._state.members.values(), key=lambda member: member.info.name)
        return [
            member.status(
                now.monotonic, sum(self._state.leases[lease].held.count for lease in member.leases)
            )
            for member in members
        ]

    def _find_member(self, worker: str, now: Now) -> Member:
        member = self._state.members.get(worker)
        if member is None:
            raise UnknownWorkerError
        member.heard = now.monotonic
        return member

    def _grant(
        self, job: Job, member: Member, request: int, run: tuple[int, int, int], now: Now
    ) -> HeldLease:
        start, stop, attempts = run
        lease = HeldLease(
            id=self._state.next_lease,
            job=job.spec.id,
            worker=member.info.id,
            attempt=attempts + 1,
            start=start,
            stop=stop,
            held=RangeSet([(start, stop)]),
            request=request,
        )
        self._state.next_lease += 1
        self._state.leases[lease.id] = lease
        job.leases[lease.id] = lease
        job.leased += stop - start
        member.leases.add(lease.id)
        job.virtual_seconds += estimate_seconds(job, stop - start)
        self._state.virtual_seconds = max(self._state.virtual_seconds, job.virtual_seconds)
        waited = now.monotonic - job.waiting_since
        self._state.events.append(
            LeaseGranted(job.spec.service, job.spec.operation, stop - start, waited)
        )
        if job.started_at is None:
            job.started_at = now.at
            self._state.change(job, now)
        return lease

    @staticmethod
    def _measure_inputs(job: Job, lease: HeldLease) -> int:
        if not job.spec.carried:
            return 0
        return sum(
            size * (min(stop, lease.stop) - max(start, lease.start)) // (stop - start)
            for start, stop, size in job.chunks.touching(lease.start, lease.stop)
        )

    def _dismiss(self, worker: str, *, charged: bool, now: Now) -> None:
        member = self._state.members.get(worker)
        if member:
            tasks = sum(self._state.leases[lease].held.count for lease in member.leases)
            for lease_id in list(member.leases):
                self._take_back(self._state.leases[lease_id], charged=charged, now=now)
            del self._state.members[worker]
            self._state.events.append(WorkerGone(member.info.name, charged, tasks))

    def _take_back(self, lease: HeldLease, *, charged: bool, now: Now) -> None:
        job = self._state.jobs[lease.job]
        held = list(lease.held)
        worker = self._state.members[lease.worker].info.name
        self._state.drop_lease(lease)
        attempts = lease.attempt if charged else lease.attempt - 1
        for start, stop in held:
            if attempts >= count_allowed(job.spec, LOST) and stop - start == 1:
                self._bury(job, start, lease, worker, now)
            else:
                job.give_back(start, stop, attempts, now.monotonic)
        if charged:
            tasks = sum(stop - start for start, stop in held)
            self._state.events.append(LeaseExpired(job.spec.service, tasks))
        self._state.events.append(WorkAppeared())

    def _bury(self, job: Job, index: int, lease: HeldLease, worker: str, now: Now) -> None:
        job.dead.add(index, index + 1)
        failure = TaskFailure(
            lease=lease.id,
            job=job.spec.id,
            index=index,
            attempt=lease.attempt,
            reason=LOST,
            signal="",
            error_type="",
            message=f"its worker was lost {lease.attempt} times while it held this task",
            traceback="",
            summary=f"task {index}",
            worker=worker,
            cpu_seconds=0.0,
            busy_seconds=0.0,
        )
        self._state.events.append(TaskDead(failure, job.spec.service, job.spec.operation))
        self._state.change(job, now)
