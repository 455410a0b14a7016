"""Observes a cluster repeatedly, and starts and removes workers.

    look ─► decide ─┬─► more: the fleet is enlarged
                    └─► fewer: drain ─► wait until they have gone ─► the fleet is made smaller

After a start of the coordinator, nothing is done for a while, because its workers must first
reconnect.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Container, Sequence
from typing import Protocol

from msgspec.structs import replace

from headrace.scaling.commands import CommandFailedError
from headrace.scaling.decision import Bounds, Candidate, Decision, History, Observation, decide
from headrace.scaling.demand import Demand, measure_demand
from headrace.scaling.fleet import Fleet
from headrace_wire.errors import (
    HeadraceError,
    UnknownWorkerError,
    UnreachableError,
    is_final,
)
from headrace_wire.messages.views import Overview
from headrace_wire.messages.workers import WorkerStatus

log = logging.getLogger(__name__)

#: How many seconds after a start of the coordinator its workers may take to reconnect.
RETURN_SECONDS = 60.0

#: The minimum of seconds between two looks at draining workers, and the share of the time that they
#: have taken so far: each look may run a command.
DRAIN_LOOK_SECONDS = 1.0
DRAIN_SHARE = 0.1


class Cluster(Protocol):
    """What is needed of a cluster."""

    def overview(self) -> Overview:
        """Return the whole cluster in a few numbers."""
        ...

    def workers(self) -> tuple[WorkerStatus, ...]:
        """Return every connected worker."""
        ...

    def drain(self, worker: str) -> object:
        """Tell a worker to drain."""
        ...


class Scaler:
    """Scales a fleet according to the work of a cluster.

    With ``is_rehearsal`` it only decides, and the caller shows what would be done. ``read_clock``
    returns monotonic seconds.
    """

    def __init__(
        self,
        cluster: Cluster,
        fleet: Fleet,
        bounds: Bounds,
        *,
        is_rehearsal: bool = False,
        read_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._fleet = fleet
        self._bounds = bounds
        self._is_rehearsal = is_rehearsal
        self._read_clock = read_clock
        self._history = History()
        #: The workers that were told to drain and whose machine or container still exists, by their
        #: ids.
        self._leaving: dict[str, Candidate] = {}
        #: The fleet's workers when some were last seen, which show what new ones will offer.
        self._models: list[WorkerStatus] = []
        self._logged_unschedulable = ""
        #: Whether to continue what an earlier process has begun. One that only looks once does not
        #: do this, because the earlier process may still be running.
        self._adopts = False
        self._is_away = False
        #: When the coordinator says that it was started, and when its workers should be connected.
        self._started_at: float | None = None
        self._complete_at = read_clock()

    @property
    def leaving(self) -> int:
        """How many workers are draining."""
        return len(self._leaving)

    def step(self) -> Decision:
        """Look once, and do what is necessary.

        Raises CommandFailedError, and the errors of calls. What failed is tried again in the next
        step.
        """
        observation = self._observe()
        if observation.at < self._complete_at:
            current = len(observation.open_workers)
            return Decision(
                current, "workers come back to the coordinator", self._history, now=current
            )
        # If one worker cannot be removed, others can still be started.
        failure: CommandFailedError | None = None
        try:
            self._remove(observation)
        except CommandFailedError as error:
            failure = error
        decision = decide(observation, self._bounds, self._history)
        try:
            if decision.is_change and not self._is_rehearsal:
                self._carry_out(decision)
        except BaseException:
            self._history = self._without_request(decision.history)
            raise
        if self._is_rehearsal:  # nothing was requested
            decision = replace(decision, history=self._without_request(decision.history))
        self._history = decision.history
        is_news = decision.is_change and not self._is_rehearsal
        log.log(logging.INFO if is_news else logging.DEBUG, "%s", decision.describe())
        if failure:
            raise failure
        return decision

    def _without_request(self, history: History) -> History:
        """Return what is remembered of a decision that was not carried out: only the needs."""
        return replace(
            history, requested=self._history.requested, requested_at=self._history.requested_at
        )

    def run(
        self,
        interval_seconds: float,
        on_decision: Callable[[Decision], object],
        sleep: Callable[[float], object] = time.sleep,
        on_failure: Callable[[HeadraceError], object] = bool,
    ) -> None:
        """Repeat this until there is an error that is not temporary, such as a refused key, or a
        signal.

        ``on_decision`` is called after each look, and ``on_failure`` after each failed one.
        """
        drained_since: float | None = None
        self._adopts = True
        while True:
            try:
                on_decision(self.step())
            except UnreachableError as error:
                on_failure(error)
                if not self._is_away:
                    self._is_away = True
                    log.warning("%s; workers stay as they are until it is back", error)
            except HeadraceError as error:
                if is_final(error):
                    raise
                on_failure(error)
                log.error("%s", error)  # noqa: TRY400 - a line
            now = self._read_clock()
            pause = interval_seconds
            if self._leaving:  # the longer they take, the less a moment matters
                drained_since = now if drained_since is None else drained_since
                pause = max(DRAIN_LOOK_SECONDS, (now - drained_since) * DRAIN_SHARE)
            else:
                drained_since = None
            sleep(min(pause, interval_seconds))

    def _adopt(self, ours: Sequence[Candidate]) -> None:
        """At the first look, continue what an earlier process has begun: remove what it has
        drained.
        """
        if self._adopts and not self._is_rehearsal:
            self._leaving.update((worker.id, worker) for worker in ours if worker.is_draining)
            if self._leaving:
                log.info("on their way out already: %s", _name([*self._leaving.values()]))
        self._adopts = False

    def _observe(self) -> Observation:
        overview = self._cluster.overview()
        self._note_start(overview)
        statuses = self._cluster.workers()
        connected = [self._describe(status) for status in statuses]
        ours = self._fleet.choose_ours(connected)
        self._adopt(ours)
        demand = self._measure_demand(overview, statuses, connected, {one.id for one in ours})
        return Observation(
            at=self._read_clock(),
            work_seconds=demand.work_seconds,
            tasks=demand.tasks,
            workers=tuple(ours),
            other_slots=demand.other_slots,
            held=overview.held or overview.problem,
            is_working=overview.done_per_second + overview.failed_per_second > 0,
            others_seconds=demand.others_seconds,
            unschedulable=demand.describe_unschedulable(),
            uncounted=demand.uncounted,
        )

    def _measure_demand(
        self,
        overview: Overview,
        statuses: Sequence[WorkerStatus],
        connected: Sequence[Candidate],
        ours: Container[str],
    ) -> Demand:
        self._models = [status for status in statuses if status.id in ours] or self._models
        open_ids = {worker.id for worker in connected if not worker.is_draining}
        open_slots = sum(status.slots for status in statuses if status.id in open_ids)
        demand = measure_demand(
            overview.backlog_seconds * max(1, open_slots),
            overview.waiting + overview.leased + overview.retrying,
            overview.backlogs,
            self._models,
            [one for one in statuses if one.id in open_ids and one.id not in ours],
            self._bounds.target_seconds,
        )
        kinds = ", ".join(sorted({part.service for part in demand.unschedulable}))
        if kinds != self._logged_unschedulable:
            self._logged_unschedulable = kinds
            if kinds:
                log.warning("%s: more workers would not help", demand.describe_unschedulable())
        return demand

    def _note_start(self, overview: Overview) -> None:
        """Note whether the coordinator was restarted since the last look, or was not reachable."""
        if self._is_away:
            log.info("the coordinator is back")
        is_new = self._started_at is not None and overview.started_at != self._started_at
        if self._is_away or is_new:
            self._history = self._history.forget()
            self._complete_at = self._read_clock() + RETURN_SECONDS
        self._is_away = False
        self._started_at = overview.started_at

    def _describe(self, status: WorkerStatus) -> Candidate:
        return Candidate(
            id=status.id,
            name=status.name,
            host=status.host,
            slots=status.slots,
            busy=max(status.busy, min(status.leased, status.slots)),
            # The worker reports this itself with its next heartbeat.
            is_draining=status.draining or status.id in self._leaving,
            connected_at=status.connected_at,
        )

    def remove_gone(self) -> None:
        """Only check whether draining workers have gone. Raises the same errors as ``step``."""
        observation = self._observe()
        if observation.at >= self._complete_at:
            self._remove(observation)

    def _remove(self, observation: Observation) -> None:
        """Remove the machines of the drained workers that have gone."""
        connected = {worker.id for worker in observation.workers}
        gone = [worker for worker in self._leaving.values() if worker.id not in connected]
        if gone:
            requested = self._history.requested
            stay = len(observation.open_workers) if requested is None else requested
            self._fleet.resize(stay + len(self._leaving) - len(gone), gone)
            for worker in gone:
                del self._leaving[worker.id]
            log.info("drained and taken away: %s", _name(gone))

    def _carry_out(self, decision: Decision) -> None:
        if not decision.leaving:
            self._fleet.resize(decision.workers + len(self._leaving), ())
            return
        self._fleet.prepare(decision.leaving)
        for worker in decision.leaving:
            try:
                self._cluster.drain(worker.id)
            except UnknownWorkerError:
                log.debug("%s has gone by itself", worker.name)
            self._leaving[worker.id] = worker


def _name(workers: Sequence[Candidate]) -> str:
    return ", ".join(worker.name for worker in workers)
