"""What a piece of code costs, in numbers that are the same on every machine and at every run.

``count_operations`` counts the bytecode instructions that this thread executes. Times depend on the
machine and on who else uses it; hardware counters are not there for everybody; function calls do
not show a loop. What C code does is one instruction here, so a copy of many bytes is seen by
``measure_peak_bytes`` alone, and that a batch is opened by one whose content is no batch.
"""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

#: The number under which ``sys.monitoring`` knows this one of its tools; 3 and 4 are free to all.
TOOL = 3


def count_operations(function: Callable[[], object]) -> int:
    """Run a function and count the bytecode instructions that it takes in this thread."""
    gc_was_enabled = gc.isenabled()
    gc.disable()  # a finalizer that happens to run is not this function's
    try:
        if sys.version_info >= (3, 12):
            return _count_by_monitoring(function)
        return _count_by_tracing(function)
    finally:
        if gc_was_enabled:
            gc.enable()


def _count_by_monitoring(function: Callable[[], object]) -> int:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore] # new in 3.12
    own = threading.get_ident()
    count = 0

    def count_one(code: CodeType, offset: int) -> None:
        nonlocal count
        count += threading.get_ident() == own

    event = monitoring.events.INSTRUCTION
    monitoring.use_tool_id(TOOL, "costs")
    try:
        monitoring.register_callback(TOOL, event, count_one)
        monitoring.set_events(TOOL, event)
        function()
    finally:
        monitoring.set_events(TOOL, 0)
        monitoring.register_callback(TOOL, event, None)
        monitoring.free_tool_id(TOOL)
    return count


def _count_by_tracing(function: Callable[[], object]) -> int:
    """The same for Python 3.11. Later ones don't tell of every instruction in this way."""
    count = 0

    def count_one(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "opcode"
        return count_one

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return count_one

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def measure_peak_bytes(function: Callable[[], object]) -> int:
    """Run a function and tell by how much the memory that Python took grew meanwhile, at most."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        function()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def measure_kept_bytes(function: Callable[[], object]) -> int:
    """Run a function and tell by how much the memory that Python takes has grown afterwards."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        function()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before
