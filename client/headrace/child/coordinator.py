"""The coordinator of an embedded cluster."""

from __future__ import annotations

import json
from pathlib import Path

from headrace.child.orders import Order
from headrace.child.parent import end_with_parent
from headrace.child.place import remove_folders
from headrace_coordinator.coordinator import Coordinator
from headrace_coordinator.serve import serve
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import parse_address
from headrace_wire.log_format import start_logging


def serve_program(order: Order) -> None:
    """Serve until the program ends, and remove the folder: the program may be gone by then.

    Prints the address that is served.
    """
    start_logging("info")
    settings = CoordinatorSettings(
        data=Path(order.folder),
        key_file=order.key_file,
        bind=parse_address(order.address),
        tls="off",
        http=None,
        audit=False,
    )
    try:
        serve(settings, _announce)
    finally:
        remove_folders(order)


def _announce(running: Coordinator) -> None:
    # As JSON, since the names of folders may have newlines, and be no text.
    print(json.dumps(str(running.bound)), flush=True)  # noqa: T201 - that is what it is for here
    end_with_parent()
