"""The autoscaler's metrics for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from headrace.scaling.commands import CommandFailedError
from headrace.scaling.decision import Decision
from headrace_wire.address import Address
from headrace_wire.errors import HeadraceError, UsageError


class ScalingMetrics:
    """The metrics of a process that scales between two numbers of workers.

    ``read_clock`` returns Unix seconds.
    """

    def __init__(self, least: int, most: int, read_clock: Callable[[], float] = time.time) -> None:
        self._read_clock = read_clock
        self.registry = CollectorRegistry()
        self._workers = Gauge(
            "headrace_autoscale_workers",
            "Workers of the fleet: those that take work (open), that are on their way out "
            "(leaving), that there should be (wanted), and the bounds of that (least, most).",
            ["state"],
            registry=self.registry,
        )
        for state, number in (("open", 0), ("leaving", 0), ("wanted", 0)):
            self._workers.labels(state).set(number)
        self._workers.labels("least").set(least)
        self._workers.labels("most").set(most)
        self._uncounted = Gauge(
            "headrace_autoscale_uncounted_tasks",
            "Tasks that no worker can run, for which there are no more workers.",
            registry=self.registry,
        )
        self._changes = Counter(
            "headrace_autoscale_changes",
            "Times that more workers were asked for (up), and that some were told to go (down).",
            ["direction"],
            registry=self.registry,
        )
        self._failures = Counter(
            "headrace_autoscale_failures",
            "Looks that failed, at a command or at the coordinator.",
            ["at"],
            registry=self.registry,
        )
        for counter, labels in (
            (self._changes, ("up", "down")),
            (self._failures, ("command", "coordinator")),
        ):
            for label in labels:
                counter.labels(label)
        self._last_look = Gauge(
            "headrace_autoscale_last_look_timestamp_seconds",
            "When the coordinator was last looked at and all was done that was to be done.",
            registry=self.registry,
        )
        self._last_change = Gauge(
            "headrace_autoscale_last_change_timestamp_seconds",
            "When more workers were last asked for, or some told to go; 0 for never.",
            registry=self.registry,
        )

    def note_decision(self, decision: Decision, leaving: int) -> None:
        """Note a successful look, and how many workers are draining."""
        now = self._read_clock()
        self._workers.labels("open").set(decision.now)
        self._workers.labels("leaving").set(leaving)
        self._workers.labels("wanted").set(decision.workers)
        self._uncounted.set(decision.uncounted)
        self._last_look.set(now)
        if decision.is_change:
            self._changes.labels("down" if decision.leaving else "up").inc()
            self._last_change.set(now)

    def note_failure(self, error: HeadraceError) -> None:
        """Note a failed look."""
        is_command = isinstance(error, CommandFailedError)
        self._failures.labels("command" if is_command else "coordinator").inc()

    def serve(self, address: Address) -> Address:
        """Serve the metrics from a thread until the process ends.

        Returns the address, with the port that was chosen for port 0. Raises UsageError.
        """
        try:
            server, _ = start_http_server(address.port, address.host, registry=self.registry)
        except (OSError, UnicodeError) as error:  # a label of a host name may be too long
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"metrics cannot be served at {address}: {why}") from None
        return Address(address.host, server.server_port)
