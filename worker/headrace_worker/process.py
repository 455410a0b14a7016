"""The process of a worker, from its start to the signal that ends it."""

from __future__ import annotations

import importlib

from msgspec.structs import replace

from headrace_services.permits import Permits
from headrace_services.registry import list_services
from headrace_wire.key import find_key
from headrace_wire.log_format import start_logging
from headrace_wire.system.heap import keep_large_blocks
from headrace_worker.key_wait import wait_for_key
from headrace_worker.launch.choosing import make_launcher
from headrace_worker.launch.launcher import Launcher
from headrace_worker.link.loader import list_light_modules
from headrace_worker.machine.cores import count_usable_cores, parse_slots
from headrace_worker.machine.files import require_files_for
from headrace_worker.settings import WorkerSettings


def prepare(start_method: str, permits: Permits, slots: str) -> Launcher:
    """Prepare to start slots. A worker does this first, before it has threads.

    Slots are forked from the present state of this process, and share nothing that it does later.
    What takes time and needs no coordinator is done after the fork. Raises UsageError for a start
    method that this system lacks, and if so few files may be open that ``slots`` cannot be started.
    """
    _require_files(slots)
    launcher = make_launcher(start_method, list_light_modules(permits))
    list_services()  # so that no slot has to search for them
    launcher.prepare()
    importlib.import_module("headrace_worker.agent")
    return launcher


def _require_files(slots: str) -> None:
    try:
        number = parse_slots(slots, count_usable_cores())
    except ValueError:
        return  # this is reported when the slots are started
    require_files_for(number)


def work(settings: WorkerSettings, launcher: Launcher | None, log_level: str) -> None:
    """Work until SIGTERM or SIGINT. The launcher is for a pool of slots; other engines need none.

    Raises UsageError for invalid settings, and the errors of the connection to the coordinator.
    """
    from headrace_worker.agent import Agent, make_name  # noqa: PLC0415 - see above

    settings = replace(settings, name=settings.name or make_name())
    start_logging(log_level, settings.log_format, worker=settings.name)
    keep_large_blocks()
    if settings.awaits_key and not wait_for_key(settings):
        return
    found = find_key(settings.key_file, *settings.other_key_files)
    settings = replace(settings, key_file=found)
    Agent(settings, launcher).run()
