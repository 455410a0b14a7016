"""The worker of an embedded cluster."""

from __future__ import annotations

import shutil
import threading

from headrace.child.orders import Order
from headrace.child.parent import end_with_parent
from headrace_worker.process import work
from headrace_worker.settings import WorkerSettings


def work_for_program(order: Order) -> None:
    """Work until the program ends."""
    assert order.coordinator is not None
    parents: list[threading.Event] = []
    settings = WorkerSettings(
        coordinator=order.coordinator,
        key_file=order.key_file,
        slots=order.slots,
        start_method=order.start_method,
        name="embedded",
        drain_seconds=0.0,
        max_tasks=order.max_tasks,
        task_stdout=order.show_output,
        permits=order.permits,
        program=order.program,
    )
    try:
        work(
            settings,
            "error" if order.show_output else "info",
            lambda: parents.append(end_with_parent()),
        )
    finally:
        # The coordinator does so, too, unless it was killed. What a program that lives does with
        # the folder is its own affair.
        if parents and parents[0].is_set():
            shutil.rmtree(order.folder, ignore_errors=True)
