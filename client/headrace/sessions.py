"""Where a program's calls go: to an existing cluster, or to one that is started for it here."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

from headrace.cluster import Cluster
from headrace.connecting import refuse_without_address
from headrace.embedded import open_embedded, open_for_program
from headrace_services.calls.main_module import refuse_while_loading
from headrace_wire.address import Address
from headrace_wire.encryption import Encryption
from headrace_wire.engines import EngineChoice


@contextlib.contextmanager
def open_session(
    address: Address | None,
    key_file: str | Path | None = None,
    *,
    tls: str | Encryption | None = None,
    slots: str = "auto",
    max_tasks: int | None = None,
    engine: EngineChoice | None = None,
) -> Generator[Cluster]:
    """Open the cluster at an address, or for None an embedded one that runs all of its calls.

    ``slots``, ``max_tasks`` and ``engine`` are for the embedded worker. Raises UsageError,
    UnreachableError and KeyRefusedError.
    """
    refuse_while_loading()
    if address is not None:
        with Cluster(address, key_file=key_file, tls=tls) as cluster:
            yield cluster
        return
    refuse_without_address(key_file=key_file, tls=tls)
    opened = open_for_program(slots, max_tasks=max_tasks, engine=engine)
    with opened as embedded, Cluster.over(embedded) as cluster:
        yield cluster


@contextlib.contextmanager
def open_embedded_cluster(slots: str = "auto", **options: Any) -> Generator[Cluster]:
    """Start a coordinator and a worker, and stop them at the end: see ``open_embedded``."""
    with open_embedded(slots, **options) as embedded, Cluster.over(embedded) as cluster:
        yield cluster
