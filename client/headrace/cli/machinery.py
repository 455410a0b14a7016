"""Commands that look at the workers and at the coordinator's health."""

from __future__ import annotations

import os
from typing import Any

import click

from headrace.cli.options import ConnectionOptions, connection_options, json_option, option
from headrace.cli.printing import say_json, tell
from headrace.cli.session import connect
from headrace.cli.show import format_bytes, say_table, show_worker
from headrace_wire.errors import EXIT_UNAVAILABLE


@click.command()
@connection_options
@json_option
def workers(connection: ConnectionOptions, as_json: bool) -> None:
    """List connected workers: who is there, and how they do."""
    statuses = connect(connection).workers()
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
        "ENGINES",
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
            "; ".join(f"{name}: {engine}" for name, engine in status.engines.items()),
        ]
        for status in statuses
    ]
    numbers = {"SLOTS", "BUSY", "DONE", "FAILED", "MEMORY"}
    say_table(headings, rows, numbers, ["LIMIT", "HOST", "MEMORY", "HEARD"])


@click.command()
@connection_options
@option(
    "--local-worker",
    is_flag=True,
    help="Well only if a worker of this host is connected, too.",
)
@json_option
def health(connection: ConnectionOptions, local_worker: bool, as_json: bool) -> None:
    """Tell by exit code whether a coordinator is well: 0 if so, 69 if not, 77 for another key."""
    cluster = connect(connection)
    info = cluster.engine.jobs.info()
    problem = info.problem
    if local_worker and not problem:
        host = os.uname().nodename
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
