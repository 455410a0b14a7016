"""Workers connect, hold tasks, and leave. Pure transitions."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from headrace_coordinator.moment import Now
from headrace_coordinator.queue import events
from headrace_coordinator.queue.attempted_spans import AttemptedSpan
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.members import DRAIN, Member
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.retries import count_allowed
from headrace_coordinator.queue.running import find_worker
from headrace_coordinator.queue.schedule import (
    AHEAD_ROUND_TRIPS,
    estimate_seconds,
    limit_grant_bytes,
    rank,
    size_lease,
)
from headrace_coordinator.queue.spool import Spool
from headrace_coordinator.queue.state import QueueState
from headrace_coordinator.shares import share_of
from headrace_wire.bounds import MAX_WORKERS
from headrace_wire.errors import UnknownWorkerError, UsageError
from headrace_wire.messages.failures import LOST
from headrace_wire.messages.jobs import QUEUED
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.spans import HeldSpan
from headrace_wire.messages.workers import Heartbeat, Orders, TaskProgress, WorkerInfo, WorkerStatus
from headrace_wire.words import count


class Leasing:
    """Transitions that are caused by workers and by time."""

    def __init__(self, state: QueueState, spool: Spool, lease_seconds: float) -> None:
        self._state = state
        self._spool = spool
        self._lease_seconds = lease_seconds

    def register(self, info: WorkerInfo, held: Iterable[HeldSpan], now: Now, key: str = "") -> None:
        """Register a worker whose key has this name. A worker that registers again keeps what it
        holds, and may have another number of slots.

        Tasks that it ``held`` before this coordinator was started (as its proofs show), or before
        it was considered lost, are leased to it again if they still wait. Raises NotAllowedError.
        """
        member = self._state.find_member(info.id, key)
        if member is None:
            if len(self._state.members) >= MAX_WORKERS:
                raise UsageError(f"{MAX_WORKERS} workers are connected: there is room for no more")
            if self._state.members_by_key[key] >= (most := share_of(MAX_WORKERS, key)):
                raise UsageError(
                    f"{most} workers with the key {key!r} are connected: the rest of the room is "
                    "for other keys"
                )
            member = Member(
                info=info,
                connected_at=now.at,
                heard=now.monotonic,
                services=frozenset(info.engines),
                key=key,
                ordered=self._state.next_lease,
            )
            self._state.add_member(member)
            self._state.emit(events.WorkerJoined(info.name, info.slots))
        member.heard = now.monotonic
        self._state.resize(member, info.slots, info.slots_limit)
        if not info.slots:  # calls that wait for what it holds are notified
            for job in dict.fromkeys(lease.job for lease in member.leases.values()):
                self._state.emit(events.WorkHeld(job, ""))
        held = tuple(held)
        self._state.recall(held, info.id, key)
        for run in held:
            self._adopt(member, run, now)

    def lease(self, request: LeaseRequest, now: Now, key: str = "") -> list[HeldLease]:
        """Lease tasks to a worker; a repeated request gets the same leases.

        Raises UnknownWorkerError and NotAllowedError.
        """
        member = self._state.find_member(request.worker, key)
        if member is None:
            raise UnknownWorkerError
        member.heard = now.monotonic
        if member.is_dismissed:
            return []
        if request.number in member.grants:
            leases = self._state.leases
            return [leases[one] for one in member.grants[request.number] if one in leases]
        member.refused &= self._state.jobs.keys()
        self.promote_delayed(now)
        granted = self._lease_alone(member, request, now)
        if granted is None:
            granted = self._lease_freely(member, request, now)
        if granted:
            member.note_grant(request.number, tuple(lease.id for lease in granted))
        return granted

    def _lease_alone(
        self, member: Member, request: LeaseRequest, now: Now
    ) -> list[HeldLease] | None:
        """Lease suspects to a worker that holds nothing else. None means it may have other tasks.

        A busy worker gets no other tasks until its own are done, one worker at a time, so that
        nothing else runs there that would be suspected with them.
        """
        if any(lease.alone for lease in member.leases.values()):
            return []
        job = self._pick_suspected(member)
        if job is None:
            self._state.clearing = ""
            return None
        if member.leases:
            if self._state.clearing not in {"", member.info.id}:
                return None
            self._state.clearing = member.info.id
            return []
        self._state.clearing = ""
        tasks = self._take(job, request, request.free_slots, limit_grant_bytes(request), alone=True)
        return [self._grant(job, member, request, tasks, now, alone=True)]

    def _lease_freely(self, member: Member, request: LeaseRequest, now: Now) -> list[HeldLease]:
        granted: list[HeldLease] = []
        free, left = request.free_slots, limit_grant_bytes(request)
        while free > 0 and left > 0:
            job = self._state.turns.pick(lambda job: self._may_take(member, job))
            if job is None:
                break
            lease = self._grant(job, member, request, self._take(job, request, free, left), now)
            granted.append(lease)
            free -= min(lease.held.count, free)
            if job.spec.carried:
                left -= job.chunks.measure_bytes(lease.start, lease.stop)
        return granted

    def heartbeat(self, beat: Heartbeat, now: Now, key: str = "") -> bool:
        """Note that a worker is alive, and take back what it does not hold. Return False if it is
        unknown.

        A lease that the worker does not name is one that it has forgotten, if it has received the
        answer in which it was granted. Raises NotAllowedError.
        """
        member = self._state.find_member(beat.worker, key)
        if member is None:
            return False
        member.heard = now.monotonic
        member.busy = beat.busy
        member.rss_bytes = beat.rss_bytes
        if beat.draining and not member.draining:
            self._state.emit(events.WorkerDraining(member.info.name))
        member.draining = beat.draining or member.is_dismissed
        member.forget_orders(beat.orders)
        self._state.keep_reported_tasks(member, beat)
        member.heartbeat_at = now.monotonic
        member.cpu_percent = beat.cpu_percent
        held = set(beat.leases)
        for lease in list(member.leases.values()):
            if lease.id not in held and lease.request <= beat.request:
                self._take_back(lease, charged=False, now=now)
        return True

    def drain(self, worker: str, now: Now) -> WorkerStatus:
        """Tell a worker, by its id or name, to take nothing new, and to leave when it is finished.

        Raises UnknownWorkerError and UsageError.
        """
        member = find_worker(self._state, worker)
        if not member.is_dismissed:
            if not member.draining:
                self._state.emit(events.WorkerDraining(member.info.name))
            member.is_dismissed = member.draining = True
            self._state.order(member.info.id, DRAIN)
        return member.status(now.monotonic)

    def take_orders(self, worker: str) -> Orders:
        """Return what a worker is to stop or return, until it confirms the order."""
        member = self._state.members.get(worker)
        return member.list_orders() if member else Orders(known=False, cancelled_jobs=())

    def leave(self, worker: str, now: Now, key: str = "") -> None:
        """Take back all that a worker holds. The attempts do not count, because it left in order.

        Raises NotAllowedError.
        """
        self._state.find_member(worker, key)
        self._dismiss(worker, charged=False, now=now)

    def hand_back(self, lease_id: int, start: int, stop: int, now: Now) -> None:
        """Let tasks of a lease wait again. The attempt does not count, because it never started,
        nor do they count in the job's share of the slots.
        """
        lease = self._state.leases.get(lease_id)
        if lease is None:
            return
        job = self._state.jobs[lease.job]
        for left, right in lease.held.overlap(start, stop):
            lease.held.remove(left, right)
            job.leased -= right - left
            job.virtual_seconds -= lease.task_seconds * (right - left)
            job.give_back(left, right, lease.attempt - 1, now.monotonic, lost=lease.alone)
        if not lease.held:
            self._state.drop_lease(lease)
        self._state.count_expected(job)
        self._state.offer(job)

    def expire(self, now: Now) -> None:
        """Take back what silent workers hold. The attempts count."""
        for worker, member in list(self._state.members.items()):
            if now.monotonic - member.heard > self._lease_seconds:
                self._dismiss(worker, charged=True, now=now)

    def promote_delayed(self, now: Now) -> None:
        """Let delayed tasks wait again whose pause is over."""
        for job in list(self._state.paused.values()):
            if job.delayed and job.delayed.first()[0] > now.monotonic:
                continue
            while job.delayed and job.delayed.first()[0] <= now.monotonic:
                _, index, attempts = job.delayed.pop()
                job.give_back(index, index + 1, attempts, now.monotonic)
            if not job.delayed:
                del self._state.paused[job.spec.id]
            self._state.offer(job)

    def next_deadline(self) -> float:
        """Return the monotonic time at which the next lease or pause ends, infinity for never."""
        deadlines = [member.heard + self._lease_seconds for member in self._state.members.values()]
        deadlines += [job.delayed.first()[0] for job in self._state.paused.values() if job.delayed]
        return min(deadlines, default=inf)

    def statuses(self, now: Now) -> list[WorkerStatus]:
        members = sorted(self._state.members.values(), key=lambda member: member.info.name)
        return [member.status(now.monotonic) for member in members]

    def progress(self, job_id: str) -> list[TaskProgress]:
        """Return the reported progress of a job's leased tasks, in index order."""
        job = self._state.find(job_id)
        found: dict[int, TaskProgress] = {}
        for lease in job.leases.values():
            for progress in self._state.members[lease.worker].progress:
                if progress.job == job_id and progress.index in lease.held:
                    found[progress.index] = progress
        return [found[index] for index in sorted(found)]

    def _pick_suspected(self, member: Member) -> Job | None:
        suspected = self._state.suspected
        for job in [job for job in suspected.values() if not job.suspects]:
            del suspected[job.spec.id]
        found = (job for job in suspected.values() if self._may_take(member, job))
        return min(found, key=rank, default=None)

    def _may_take(self, member: Member, job: Job) -> bool:
        """Return whether a worker offers what a job needs and there is room for its results."""
        return (
            member.may_run(job.spec)
            and not self._state.is_for_others(job, member)
            and not self._spool.holds(job)
        )

    def _adopt(self, member: Member, run: HeldSpan, now: Now) -> None:
        job = self._state.jobs.get(run.job)
        if job is None or job.is_final:
            self._state.order(member.info.id, run.job)
            return
        if run.lease in self._state.leases or not 0 <= run.start < run.stop <= job.tasks:
            return
        if not self._state.was_granted(member.info.id, member.key, run):
            return
        claimed = job.claim_waiting(run.start, run.stop, run.attempt - 1)
        if claimed:
            lease = HeldLease(
                id=run.lease,
                job=run.job,
                worker=member.info.id,
                attempt=run.attempt,
                start=run.start,
                stop=run.stop,
                held=claimed,
                request=run.request,
                proof=run.proof,
            )
            self._hold(job, member, lease, now)

    def _hold(self, job: Job, member: Member, lease: HeldLease, now: Now) -> None:
        self._state.leases[lease.id] = lease
        job.leases[lease.id] = lease
        job.note_worker(lease.worker)
        job.leased += lease.held.count
        self._state.count_expected(job)
        member.leases[lease.id] = lease
        if job.state == QUEUED:
            job.begin(now.monotonic, now.at)
            self._state.emit(events.JobStarted(job.spec.id, member.info.name, job.submitted_by))
            self._state.change(job, now)

    def _take(
        self,
        job: Job,
        request: LeaseRequest,
        slots: int,
        max_bytes: int,
        *,
        alone: bool = False,
    ) -> AttemptedSpan:
        state = self._state
        task_seconds = request.task_seconds.get(job.spec.id)
        ahead = AHEAD_ROUND_TRIPS * request.round_trip
        own = state.members[request.worker].info.slots
        size = size_lease(job, slots, state.slots, len(state.turns), task_seconds, ahead, own)
        most = self._spool.fit(job, size)
        return job.take(most, max_bytes, alone=alone)

    def _grant(
        self,
        job: Job,
        member: Member,
        request: LeaseRequest,
        tasks: AttemptedSpan,
        now: Now,
        *,
        alone: bool = False,
    ) -> HeldLease:
        start, stop, attempts = tasks
        lease = HeldLease(
            id=self._state.next_lease,
            job=job.spec.id,
            worker=member.info.id,
            attempt=attempts + 1,
            start=start,
            stop=stop,
            held=RangeSet([(start, stop)]),
            request=request.number,
            alone=alone,
            task_seconds=estimate_seconds(job, 1),
        )
        self._state.next_lease += 1
        lease.proof = self._state.prove(lease)
        self._hold(job, member, lease, now)
        job.virtual_seconds += lease.task_seconds * (stop - start)
        self._state.note_waiting(job)
        self._state.virtual_seconds = max(self._state.virtual_seconds, job.virtual_seconds)
        waited = now.monotonic - job.waiting_since
        self._state.emit(
            events.LeaseGranted(job.spec.service, job.spec.operation, stop - start, waited)
        )
        return lease

    def _dismiss(self, worker: str, *, charged: bool, now: Now) -> None:
        member = self._state.members.get(worker)
        if member:
            tasks = member.count_leased()
            for lease in list(member.leases.values()):
                self._take_back(lease, charged=charged, now=now)
            self._state.remove_member(member)
            self._state.emit(events.WorkerGone(worker, member.info.name, charged, tasks))

    def _take_back(self, lease: HeldLease, *, charged: bool, now: Now) -> None:
        job = self._state.jobs[lease.job]
        held = list(lease.held)
        worker = self._state.members[lease.worker].info.name
        self._state.drop_lease(lease)
        attempts = lease.attempt if charged else lease.attempt - 1
        for start, stop in held:
            # A task is only known to be the cause if it was alone on its worker and in its lease.
            blamed = charged and lease.alone and stop - start == 1
            if blamed and attempts >= count_allowed(job.spec, LOST):
                self._state.declare_dead(
                    job,
                    start,
                    LOST,
                    f"its worker was lost {count(attempts, 'time')} while it held this task",
                    attempt=attempts,
                    lease=lease.id,
                    worker=worker,
                )
                self._state.change(job, now)
                continue
            job.give_back(start, stop, attempts, now.monotonic, lost=charged or lease.alone)
            if charged:
                counted = events.AttemptsCounted(
                    job.spec.id,
                    start,
                    stop,
                    attempts,
                    lost=True,
                    service=job.spec.service,
                    operation=job.spec.operation,
                )
                self._state.emit(counted)
        if charged:
            tasks = sum(stop - start for start, stop in held)
            self._state.emit(events.LeaseExpired(job.spec.service, tasks))
        self._state.offer(job)
