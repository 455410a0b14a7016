"""The connection of a command to its coordinator."""

from __future__ import annotations

import time

import click

from headrace.cli.options import ConnectionOptions
from headrace.cli.printing import tell
from headrace.cluster import Cluster
from headrace.coordinator_engine import PATIENCE_SECONDS
from headrace.outage import OutageNotice
from headrace_wire.connection import check_listening
from headrace_wire.errors import (
    UnreachableError,
)
from headrace_wire.key import is_missing, load_key
from headrace_wire.timeouts import Limit

#: How many seconds a job waits for a coordinator on this machine to start, and how many seconds
#: pass between two attempts.
START_SECONDS = 5.0
START_PAUSE_SECONDS = 0.1


def connect(
    connection: ConnectionOptions,
    wait: float | None = None,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    is_quiet: bool = False,
) -> Cluster:
    """Return the cluster that the options name, found within ``wait`` seconds.

    It is closed when the command ends. If the coordinator becomes unreachable later, calls wait for
    it for ``patience_seconds``, and a line says so each time unless ``is_quiet``. Raises
    UnreachableError, which says what to start, and KeyRefusedError.
    """

    def tell_lost(line: str) -> None:
        if not is_quiet:
            tell(f"headrace: {line}")

    try:
        if is_missing(connection.key_files[0]):
            # Without a coordinator there is no key either, and this should be reported first.
            check_listening(connection.coordinator)
        key = load_key(*connection.key_files)
        with Limit.after(wait).applied():
            cluster = Cluster(
                connection.coordinator,
                key,
                OutageNotice(patience_seconds, tell_lost),
                patience_seconds,
                tls=connection.encryption,
            )
    except UnreachableError as error:
        raise UnreachableError(
            f"{error}: start one there with `headrace coordinator`, name another with "
            "--coordinator, or work without one: `headrace run`"
        ) from None
    return click.get_current_context().with_resource(cluster)


def connect_soon(connection: ConnectionOptions, wait: float | None) -> Cluster:
    """Connect to a coordinator that may have been started by the previous line of a script."""
    limit = Limit.after(START_SECONDS if wait is None else min(wait, START_SECONDS))
    told = False
    while True:
        try:
            return connect(connection, wait)
        except UnreachableError:
            if not connection.may_start or limit.is_over:
                raise
        if not told:
            told = True
            left = f"{limit.measure_left():.2g}"
            tell(f"headrace: no coordinator at {connection.coordinator} yet; trying for {left} s")
        time.sleep(limit.measure_left(START_PAUSE_SECONDS))
