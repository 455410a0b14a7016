"""Commands about the workers and the coordinator's health."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.connecting import connect
from headrace.cli.kinds import DURATION
from headrace.cli.options import ConnectionOptions, connection_options, json_option, option
from headrace.cli.printing import say, say_json, tell
from headrace.cli.show import say_table, show_worker
from headrace.cli.top.worker_rows import describe_worker
from headrace.cli.worker_view import RUNNING_SHOWN, describe_running, show_view
from headrace_wire.api import MAX_WAIT_SECONDS
from headrace_wire.errors import EXIT_UNAVAILABLE, WaitTimedOutError
from headrace_wire.messages.views import EventRequest
from headrace_wire.words import format_bytes

if TYPE_CHECKING:
    from headrace.cluster import Cluster
    from headrace_wire.messages.views import WorkerView
    from headrace_wire.messages.workers import WorkerStatus


@click.command()
@click.argument("worker", metavar="[WORKER]", required=False)
@connection_options
@json_option
def workers(worker: str | None, connection: ConnectionOptions, as_json: bool) -> None:
    """List the connected workers, or show one worker and what it runs."""
    cluster = connect(connection)
    if worker is not None:
        _show_worker(cluster.worker(worker), as_json=as_json)
        return
    statuses = cluster.workers()
    if as_json:
        say_json([show_worker(status) for status in statuses])
        return
    if not statuses:
        tell("headrace: no worker is connected")
        return
    headings = [
        "NAME",
        "HOST",
        "SLOTS",
        "LIMIT",
        "BUSY",
        "DONE",
        "FAILED",
        "MEMORY",
        "HEARD",
        "SERVICES",
    ]
    rows = [
        [
            status.name,
            status.host,
            str(status.slots),
            status.slots_limit,
            str(status.busy),
            f"{status.done:,}",
            f"{status.failed:,}",
            format_bytes(status.rss_bytes),
            f"{status.heard_seconds:.0f} s ago" + (", draining" if status.draining else ""),
            "; ".join(f"{name}: {library}" for name, library in status.engines.items()),
        ]
        for status in statuses
    ]
    numbers = {"SLOTS", "BUSY", "DONE", "FAILED", "MEMORY"}
    say_table(headings, rows, numbers, ["LIMIT", "HOST", "MEMORY", "HEARD"])


def _show_worker(view: WorkerView, *, as_json: bool) -> None:
    if as_json:
        say_json(show_view(view))
        return
    say(f"{'worker':<12}{view.status.name}")
    for word, value in describe_worker(view.status):
        say(f"{word:<12}{value}")
    for task in view.running[:RUNNING_SHOWN]:
        say(f"{'running':<12}job {task.job}, {describe_running(task)}")


@click.command()
@click.argument("workers", metavar="WORKER...", nargs=-1, required=True)
@option(
    "--wait",
    type=DURATION,
    help="Wait until they have ended, at most this long (exit code 124).",
)
@connection_options
@json_option
def drain(
    workers: tuple[str, ...], wait: float | None, connection: ConnectionOptions, as_json: bool
) -> None:
    """Drain workers, by their names or ids: they accept no new tasks, finish theirs, and exit.

    SIGTERM does the same. If something else starts workers again, such as Docker with `restart:
    unless-stopped`, stop them there, too.
    """
    cluster = connect(connection)
    # All workers are found before the first one is drained, because a drain cannot be undone.
    found = [cluster.worker(worker).status for worker in workers]
    statuses: list[WorkerStatus] = []
    for worker in dict.fromkeys(status.id for status in found):
        status = cluster.engine.jobs.drain(worker)
        statuses.append(status)
        if not as_json:
            tell(f"headrace: worker {status.name} takes nothing new, and goes when it has finished")
    if as_json:
        say_json([show_worker(status) for status in statuses])
    if wait is not None:
        _await_departure(cluster, statuses, wait)
        for status in statuses:
            if not as_json:
                tell(f"headrace: worker {status.name} has gone")


def _await_departure(cluster: Cluster, statuses: list[WorkerStatus], seconds: float) -> None:
    """Wait until workers have gone. Raises WaitTimedOutError."""
    jobs, deadline = cluster.engine.jobs, time.monotonic() + seconds
    cursor = jobs.events(EventRequest(last=1)).cursor
    while True:
        connected = {status.id for status in jobs.workers()}
        left = [status.name for status in statuses if status.id in connected]
        left_seconds = deadline - time.monotonic()
        if not left:
            return
        if left_seconds <= 0:
            raise WaitTimedOutError(
                f"after {seconds:g} s {', '.join(left)} still finished what runs: "
                "`headrace workers` tells when that is over"
            )
        request = EventRequest(cursor, min(left_seconds, MAX_WAIT_SECONDS))
        cursor = jobs.events(request).cursor


@click.command()
@connection_options
@option(
    "--local-worker",
    is_flag=True,
    help="Also require that a worker on this host is connected.",
)
@json_option
def health(connection: ConnectionOptions, local_worker: bool, as_json: bool) -> None:
    """Exit with 0 if a coordinator is healthy, 69 if it is not, and 77 if it has another key."""
    cluster = connect(connection)
    info = cluster.engine.jobs.info()
    problem = info.problem
    if local_worker and not problem:
        host = socket.gethostname()
        if not any(status.host == host for status in cluster.workers()):
            problem = f"no worker of this host ({host}) is connected"
    if as_json:
        shown: dict[str, Any] = {
            "ok": not problem,
            "problem": problem,
            "held": info.held,
            "version": info.version,
            "uptime_seconds": info.uptime_seconds,
            "workers": info.workers,
            "slots": info.slots,
            "jobs": info.jobs,
        }
        say_json(shown)
    else:
        well = problem or f"ok; workers: {info.workers}, slots: {info.slots}, jobs: {info.jobs}"
        tell(f"headrace: {well}")
        if info.held and not problem:
            tell(f"headrace: work waits: {info.held}")
    click.get_current_context().exit(EXIT_UNAVAILABLE if problem else 0)
