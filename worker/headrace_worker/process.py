"""A worker's process, from its start to the signal that ends it."""

from __future__ import annotations

from collections.abc import Callable

from headrace_services.registry import list_services
from headrace_wire.heap import keep_large_blocks
from headrace_wire.printing import start_logging
from headrace_worker.launch.launcher import make_launcher
from headrace_worker.link.loader import list_light_modules
from headrace_worker.settings import WorkerSettings


def work(settings: WorkerSettings, log_level: str, on_forked: Callable[[], object] = str) -> None:
    """Work until SIGTERM or SIGINT. ``on_forked`` is told when threads may be started.

    Raises UsageError for settings that make no sense here, and what keeps it from its coordinator.
    """
    launcher = make_launcher(settings.start_method, list_light_modules(settings.permits))
    list_services()  # so that no slot has to look for them
    # First of all: slots are forked from what this process is now, and share no more with it.
    launcher.prepare()
    from headrace_worker.agent import Agent  # noqa: PLC0415 - see above

    start_logging(log_level)
    on_forked()
    keep_large_blocks()
    launcher.adopt_orphans()
    Agent(settings, launcher).run()
