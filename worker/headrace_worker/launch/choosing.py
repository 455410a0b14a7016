"""Chooses the launcher that starts the slots of a worker."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from headrace_wire.errors import UsageError
from headrace_worker.launch.launcher import Launcher
from headrace_worker.launch.spawner import Spawner, WindowsSpawner
from headrace_worker.launch.start_methods import KNOWN_METHODS, START_METHODS
from headrace_worker.link.loader import DEFAULT_LOADER


def make_launcher(start_method: str, preload: Iterable[str] = ()) -> Launcher:
    """Make a launcher of slots. ``preload`` names modules that slots need besides their own.

    The fork server imports them once for all slots; other start methods do not use them. Raises
    UsageError for a start method that this system lacks.
    """
    if start_method not in START_METHODS:
        why = ", which this system lacks" if start_method in KNOWN_METHODS else ""
        raise UsageError(
            f"the start method is {start_method!r}{why}: choose one of {', '.join(START_METHODS)}"
        )
    if sys.platform == "linux" and start_method == "forkserver":
        from headrace_worker.launch.fork_launcher import ForkServer  # noqa: PLC0415 - Linux alone

        loader = DEFAULT_LOADER.partition(":")[0]
        return ForkServer(("headrace_worker.slot.slot", "multiprocessing.util", loader, *preload))
    if start_method == "fork":
        return Launcher(start_method)
    return WindowsSpawner(start_method) if sys.platform == "win32" else Spawner(start_method)
