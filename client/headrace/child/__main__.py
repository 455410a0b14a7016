"""Runs a coordinator or a worker according to the order of an embedded cluster."""

from __future__ import annotations

import contextlib
import sys

from headrace.child.orders import Order
from headrace_wire.errors import EXIT_TASKS_FAILED, HeadraceError
from headrace_wire.open_files import explain_system_error, says_limit_reached


def main(role: str, order: Order) -> int:
    """Do the work of this role until a signal comes. Returns the exit code."""
    try:
        if role == "coordinator":
            from headrace.child.coordinator import serve_program  # noqa: PLC0415 - one of the two

            serve_program(order)
        else:
            from headrace.child.worker import work_for_program  # noqa: PLC0415 - one of the two

            work_for_program(order)
    except HeadraceError as error:
        if role != "worker" or not _note_end(order, error):
            sys.stderr.write(f"headrace: {error.message}\n")
        return error.exit_code
    except OSError as error:
        where = f"{error.filename}: " if error.filename and not says_limit_reached(error) else ""
        sys.stderr.write(f"headrace: {where}{explain_system_error(error)}\n")
        return EXIT_TASKS_FAILED
    return 0


def _note_end(order: Order, error: HeadraceError) -> bool:
    """Leave the reason of the end to the program, which raises it. Returns whether that worked.

    In the log, lines of the coordinator may follow.
    """
    with contextlib.suppress(OSError):
        order.end_file.write_text(error.message)
        return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Order.read(sys.argv[2])))
