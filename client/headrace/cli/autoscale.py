"""The command that starts and stops workers according to the work."""

from __future__ import annotations

import logging
import shutil
import time
from typing import TYPE_CHECKING

import click

from headrace.cli.connecting import connect
from headrace.cli.kinds import DURATION, TIME_LIMIT, AddressKind
from headrace.cli.numbers import CountKind
from headrace.cli.options import ConnectionOptions, connection_options, log_options, option
from headrace.cli.printing import say
from headrace.cli.stopping import StoppedError, stop_by_signals
from headrace_wire.bounds import MAX_WORKERS
from headrace_wire.errors import UnreachableError, UsageError
from headrace_wire.log_format import choose_log_format, start_logging

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.cluster import Cluster
    from headrace.scaling.decision import Decision
    from headrace.scaling.fleet import Fleet
    from headrace.scaling.scaling_metrics import ScalingMetrics
    from headrace_wire.address import Address
    from headrace_wire.errors import HeadraceError

log = logging.getLogger(__name__)

#: The port on which metrics are served by default.
DEFAULT_METRICS_PORT = 7381

#: The service of Docker Compose whose containers are workers, as in our own compose.yaml.
DEFAULT_SERVICE = "worker"

#: How many seconds a call waits for a coordinator that is not reachable before that is reported.
PATIENCE_SECONDS = 10.0


@click.command()
@option(
    "--min",
    "least",
    type=CountKind(0, MAX_WORKERS),
    default=1,
    show_default=True,
    help="The smallest number of workers.",
)
@option(
    "--max",
    "most",
    type=CountKind(1, MAX_WORKERS),
    required=True,
    help="The largest number of workers.",
)
@option(
    "--target",
    type=TIME_LIMIT,
    default="1m",
    show_default=True,
    help="Time in which waiting and running work should be done.",
)
@option(
    "--interval",
    type=TIME_LIMIT,
    default="15s",
    show_default=True,
    help="How often the number of workers is decided.",
)
@option(
    "--cooldown",
    type=DURATION,
    default="5m",
    show_default=True,
    help="Remove workers after fewer would have been enough for this time.",
)
@option(
    "--command",
    metavar="TEXT",
    help="Shell command that sets the number of workers, which replaces {workers} in it. "
    "[default: docker compose up, here]",
)
@option(
    "--command-timeout",
    type=TIME_LIMIT,
    default="10m",
    show_default=True,
    help="Kill the command if it takes longer.",
)
@option(
    "--service",
    metavar="NAME",
    help="The service of Docker Compose whose containers are workers. [default: worker]",
)
@option(
    "--only",
    default="*",
    show_default=True,
    metavar="PATTERN",
    help="Count and remove only workers whose name or host matches, such as 'cloud-*'.",
)
@option(
    "--metrics",
    type=AddressKind(DEFAULT_METRICS_PORT, unix=False),
    help="Serve metrics for Prometheus here, to everybody who can connect. [default: nowhere]",
)
@option("--once", is_flag=True, help="Decide once, act, and end.")
@option("--dry-run", is_flag=True, help="Print what would be done and why, but do not do it.")
@connection_options
@log_options
def autoscale(
    least: int,
    most: int,
    target: float,
    interval: float,
    cooldown: float,
    command: str | None,
    command_timeout: float,
    service: str | None,
    only: str,
    metrics: Address | None,
    once: bool,
    dry_run: bool,
    connection: ConnectionOptions,
    log_level: str,
    log_format: str,
) -> None:
    """Start workers when there is much work, and remove some when there is little.

    The coordinator reports how much work waits and how long tasks take. Workers are drained before
    they are removed: the least busy ones first, and of these the newest. Without --command, the
    workers are the containers of this folder's compose.yaml. SIGTERM and Ctrl-C end this command,
    and do not change the workers.
    """
    # Only click and what every command needs is imported for the other commands.
    from headrace.scaling.decision import Bounds  # noqa: PLC0415
    from headrace.scaling.scaler import DRAIN_LOOK_SECONDS, Scaler  # noqa: PLC0415

    if least > most:
        raise UsageError(f"--min {least} is more than --max {most}: name a range")
    if metrics is not None and once:
        raise UsageError("--metrics is of no use with --once, which ends before they are read")
    if not only:
        raise UsageError("--only is empty: say which workers count, or leave it out for all")
    fleet = _choose_fleet(command, service, command_timeout, only)
    start_logging(log_level, choose_log_format(log_format))
    told = _serve_metrics(metrics, least, most) if metrics else None
    # With --once, nothing is remembered between looks: how often it is run is its cooldown.
    bounds = Bounds(least, most, target, 0.0 if once else cooldown)
    note_failure = told.note_failure if told else bool
    with stop_by_signals():
        try:
            cluster = _connect(connection, interval, note_failure, once=once)
            scaler = Scaler(cluster, fleet, bounds, is_rehearsal=dry_run)

            def show(decision: Decision) -> None:
                if dry_run:
                    say(decision.describe())
                if told:
                    told.note_decision(decision, scaler.leaving)

            if not once:
                log.info("from %d to %d workers, with a look each %g s", least, most, interval)
                scaler.run(interval, show, on_failure=note_failure)
            show(scaler.step())
            while scaler.leaving:
                time.sleep(DRAIN_LOOK_SECONDS)
                scaler.remove_gone()
        except (StoppedError, KeyboardInterrupt):
            if once:
                raise
            log.info("stopping; workers stay as they are")


def _choose_fleet(command: str | None, service: str | None, seconds: float, only: str) -> Fleet:
    """Return the fleet that the options describe. Raises UsageError."""
    from headrace.scaling.fleet import CommandFleet, ComposeFleet  # noqa: PLC0415 - not for all

    if service is not None and not service.strip():
        raise UsageError("--service is empty: name the service of Docker Compose with the workers")
    if command is None:
        if shutil.which("docker") is None:
            raise UsageError(
                "there is no docker here, with which workers are started unless --command says "
                "otherwise"
            )
        fleet = ComposeFleet(service or DEFAULT_SERVICE, seconds, only)
        fleet.check()
        return fleet
    if not command.strip():
        raise UsageError("--command is empty: say what starts and stops workers, or leave it out")
    if service is not None:
        raise UsageError(
            "--service is of Docker Compose, which is not used with --command: leave one out"
        )
    return CommandFleet(command, seconds, only)


def _serve_metrics(address: Address, least: int, most: int) -> ScalingMetrics:
    from headrace.scaling.scaling_metrics import ScalingMetrics  # noqa: PLC0415 - only with --metrics

    metrics = ScalingMetrics(least, most)
    log.info("metrics at http://%s/metrics", metrics.serve(address))
    return metrics


def _connect(
    connection: ConnectionOptions,
    interval_seconds: float,
    on_failure: Callable[[HeadraceError], object],
    *,
    once: bool,
) -> Cluster:
    """Connect to the coordinator. Unless ``once``, wait until it is reachable."""
    is_told = False
    while True:
        try:
            return connect(connection, patience_seconds=PATIENCE_SECONDS, is_quiet=True)
        except UnreachableError as error:
            if once:
                raise
            on_failure(error)
            if not is_told:
                log.warning("%s; it is asked again and again", error)
                is_told = True
        time.sleep(interval_seconds)
