"""The connection of a command to the coordinator that it is to use."""

from __future__ import annotations

import math
import time
from pathlib import Path

import click

from headrace.cli.options import ConnectionOptions
from headrace.cli.printing import tell
from headrace.cluster import Cluster
from headrace.coordinator_engine import PATIENCE_SECONDS
from headrace_wire.connection import check_listening
from headrace_wire.errors import (
    UnreachableError,
)
from headrace_wire.key import load_key
from headrace_wire.timeouts import Limit

#: Seconds without a failed attempt after which a coordinator that goes away is told of once more.
FORGET_SECONDS = 60.0

#: Seconds for which a job waits for a coordinator of this machine to start, and between two looks.
START_SECONDS = 5.0
START_PAUSE_SECONDS = 0.1


def connect(
    connection: ConnectionOptions,
    wait: float | None = None,
    *,
    patience_seconds: float = PATIENCE_SECONDS,
    is_quiet: bool = False,
) -> Cluster:
    """The cluster that is asked for, closed when the command ends. Found within ``wait`` seconds.

    Later, a coordinator that goes away is waited for, for ``patience_seconds``, which is told each
    time unless it ``is_quiet``. Raises UnreachableError, which says what to start, and
    KeyRefusedError.
    """
    #: Whether it is told that nobody answers, and that somebody else does.
    told: set[bool] = set()
    lost_at = -math.inf

    def tell_lost(error: UnreachableError) -> None:
        nonlocal lost_at
        before, lost_at = lost_at, time.monotonic()
        if lost_at - before > FORGET_SECONDS:  # it was there in between, and has gone once more
            told.clear()
        is_refused = error.refusal is not None
        if is_refused not in told and not is_quiet:
            told.add(is_refused)
            tell(f"headrace: {error}; waiting for it to come back")

    try:
        if _is_missing(connection.key_file):
            # Without a coordinator there is no key either, and that should be said first.
            check_listening(connection.coordinator)
        key = load_key(connection.key_file)
        with Limit.after(wait).applied():
            cluster = Cluster(
                connection.coordinator,
                key,
                tell_lost,
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
    """Connect to a coordinator that may have been started by the line before in a script."""
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


def _is_missing(key_file: Path) -> bool:
    try:
        key_file.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False  # whoever reads it says what is wrong
    return False
