"""The worker of an embedded cluster."""

from __future__ import annotations

import json

from headrace.child.orders import Order
from headrace.child.parent import end_with_parent, read_line
from headrace.child.place import remove_folders
from headrace_wire.address import parse_address
from headrace_wire.encryption import Encryption
from headrace_wire.engines import POOL
from headrace_worker.process import prepare, work
from headrace_worker.settings import DEFAULT_GIVE_UP_SECONDS, WorkerSettings

#: How many seconds another cluster may take to answer, because a user waits for the program.
ENGINE_SECONDS = 10.0


def work_for_program(order: Order) -> None:
    """Work until the program ends."""
    is_pool = order.engine.name == POOL
    launcher = prepare(order.start_method, order.permits, order.slots) if is_pool else None
    address = read_line()
    if not address:
        return  # the program ended, or there is no coordinator
    gone = end_with_parent()
    settings = WorkerSettings(
        coordinator=parse_address(json.loads(address)),
        encryption=Encryption("off"),
        key_file=order.key_file,
        key_guard="off",  # tasks are the user's own program
        slots=order.slots,
        start_method=order.start_method,
        name="embedded",
        drain_seconds=0.0,
        farewell_seconds=0.0,  # nobody is left who needs what was not reported yet
        max_tasks=order.max_tasks,
        task_stdout=order.show_output,
        permits=order.permits,
        program=order.program,
        engine=order.engine.name,
        engine_address=order.engine.address,
        engine_folder=order.short_folder,
        give_up_seconds=DEFAULT_GIVE_UP_SECONDS if is_pool else ENGINE_SECONDS,
    )
    try:
        work(settings, launcher, "error" if order.show_output else "info")
    finally:
        # The coordinator also does this, unless it was killed. While the program runs, the folder
        # is its own business.
        if gone.is_set():
            remove_folders(order)
