"""Calls: a user's own functions, by name, and the encoding of their arguments and results.

Importing this is cheap: NumPy and cloudpickle are loaded when a value needs them.
"""

from __future__ import annotations

from headrace_services.calls.errors import RemoteError, rebuild_failure
from headrace_services.calls.functions import name_function
from headrace_services.calls.plan import (
    CallOptions,
    plan_apply,
    plan_calls,
    plan_map,
    plan_starmap,
)
from headrace_services.calls.service import CALLS
from headrace_services.calls.transport import open_result

__all__ = [
    "CALLS",
    "CallOptions",
    "RemoteError",
    "name_function",
    "open_result",
    "plan_apply",
    "plan_calls",
    "plan_map",
    "plan_starmap",
    "rebuild_failure",
]
