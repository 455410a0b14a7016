"""Where a program's calls go: a cluster that is there, or one that is started for it here."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator
from pathlib import Path

from headrace.cluster import Cluster
from headrace.place import find_key_file
from headrace_wire.address import DEFAULT_PORT, parse_address
from headrace_wire.key import load_key

#: Seconds for which calls go on trying when the coordinator is away.
PATIENCE_SECONDS = 600.0


@contextlib.contextmanager
def open_session(
    address: str | None,
    key_file: str | Path | None = None,
    *,
    slots: str = "auto",
    max_tasks: int | None = None,
) -> Generator[Cluster]:
    """The cluster at an address, or for None an embedded one that runs whatever it is given.

    ``slots`` and ``max_tasks`` are the embedded worker's. Raises UsageError, UnreachableError and
    KeyRefusedError.
    """
    if address is not None:
        chosen = key_file or os.environ.get("HEADRACE_KEY_FILE") or find_key_file()
        with Cluster(
            parse_address(address, DEFAULT_PORT),
            load_key(Path(chosen)),
            patience_seconds=PATIENCE_SECONDS,
        ) as cluster:
            yield cluster
        return
    from headrace.embedded import open_embedded_cluster  # noqa: PLC0415 - only where needed
    from headrace_services.permits import EVERYTHING, Permits  # noqa: PLC0415 - only where needed

    permits = Permits(allow=(EVERYTHING,), pickle=True)
    with open_embedded_cluster(
        slots,
        permits=permits,
        max_tasks=max_tasks,
        import_path=[os.path.abspath(entry) for entry in sys.path],  # noqa: PTH100 - "" is here
        show_output=True,
    ) as cluster:
        yield cluster
