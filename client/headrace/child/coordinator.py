"""The coordinator of an embedded cluster."""

from __future__ import annotations

import shutil
from pathlib import Path

from headrace.child.orders import Order
from headrace.child.parent import end_with_parent
from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.serve import serve
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.printing import start_logging


def serve_program(order: Order) -> None:
    """Serve until the program ends, and remove the folder: the program may be gone by then.

    Prints the address that is served.
    """
    start_logging("info")
    settings = CoordinatorSettings(
        data=Path(order.folder),
        key_file=order.key_file,
        bind=Address("127.0.0.1", 0),
        http=None,
        audit=False,
    )
    try:
        serve(settings, _announce)
    finally:
        shutil.rmtree(order.folder, ignore_errors=True)


def _announce(running: Coordinator) -> None:
    print(running.bound, flush=True)  # noqa: T201 - that is what standard output is for here
    end_with_parent()
