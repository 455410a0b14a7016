"""The command ``headrace top``."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import click

from headrace.blocking import BlockingCaller, finish
from headrace.cli.connecting import connect
from headrace.cli.kinds import DURATION
from headrace.cli.options import ConnectionOptions, connection_options, option
from headrace.cli.printing import is_plain_terminal, say_text
from headrace.cli.top.plain import draw_plain
from headrace.cli.top.view import View
from headrace_wire.errors import UsageError
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager

if TYPE_CHECKING:
    from headrace.cluster import Cluster

#: The minimum number of seconds between two looks.
LEAST_SECONDS = 0.1


@click.command()
@option("--once", is_flag=True, help="Print the current state as plain text, and end.")
@option(
    "--interval",
    type=DURATION,
    default="1s",
    show_default=True,
    help="Pause between two updates.",
)
@connection_options
def top(once: bool, interval: float, connection: ConnectionOptions) -> None:
    """Watch jobs and workers, and open, cancel, retry and delete jobs.

    The question mark shows what the keys do.
    """
    interval = max(interval, LEAST_SECONDS)
    if not once:
        _refuse_no_terminal()
    cluster = connect(connection)
    if once:
        _print_once(cluster, interval, str(connection.coordinator))
        return
    cluster.close()
    code = asyncio.run(_watch(connection, interval))
    click.get_current_context().exit(code)


def _refuse_no_terminal() -> None:
    """Raise UsageError if there is no terminal, or one that cannot be drawn on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("this needs a terminal: --once prints what there is as plain text")
    if is_plain_terminal():
        raise UsageError(
            "this terminal (TERM) cannot move its cursor: --once prints what there is as plain text"
        )


def _print_once(cluster: Cluster, interval: float, where: str) -> None:
    view = View(BlockingCaller(cluster.engine.jobs), BlockingCaller(cluster.engine.results))
    finish(view.look())
    time.sleep(interval)  # speeds are only known after two looks
    say_text(draw_plain(finish(view.look()), where))


async def _watch(connection: ConnectionOptions, interval: float) -> int:
    from headrace.cli.top.app import TopApp  # noqa: PLC0415 - only for terminals

    key = await asyncio.to_thread(load_key, *connection.key_files)
    # No patience: an unreachable coordinator is reported at once, and tried again at the next look.
    manager = QueueManager(connection.coordinator, key, encryption=connection.encryption)
    jobs, results = manager.async_jobs(), manager.async_results()
    view = View(jobs, results)
    app = TopApp(view, interval, str(connection.coordinator))
    app.end_by_signals()
    try:
        # Without the mouse, the terminal's own selection still works.
        code = await app.run_async(mouse=False) or 0
    finally:
        jobs.close(for_good=True)
        results.close(for_good=True)
    if view.refusal is not None:
        raise view.refusal
    return code
