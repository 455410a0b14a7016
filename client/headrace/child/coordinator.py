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
    """Serve until the program ends, and remove the folder, because the program may be gone by then.

    Prints the address at which it serves.
    """
    start_logging("info")
    settings = CoordinatorSettings(
        data=Path(order.folder),
        key_file=order.key_file,
        bind=parse_address(order.address),
        tls="off",
        http=None,
        audit=False,
        scratch=str(Path(order.folder).parent),
    )
    try:
        serve(settings, _announce)
    finally:
        remove_folders(order)


def _announce(running: Coordinator) -> None:
    # As JSON, because names of folders may contain newlines or bytes that are not text.
    print(json.dumps(str(running.bound)), flush=True)  # noqa: T201 - the program reads it
    end_with_parent()
