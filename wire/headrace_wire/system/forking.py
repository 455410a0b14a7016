"""Forks of this process, which do not exist on Windows."""

from __future__ import annotations

import os
from collections.abc import Callable

from headrace_wire.system.portable import PORTABLE

#: Whether our own processes are made by fork. A user's program may fork in any case.
HAS_FORK = hasattr(os, "fork") and not PORTABLE


def call_after_fork(function: Callable[[], object]) -> None:
    """Call a function in each child that is forked from this process."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)
