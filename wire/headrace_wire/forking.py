"""Forks of this process, which Windows does not know."""

from __future__ import annotations

import os
from collections.abc import Callable

from headrace_wire.portable import PORTABLE

#: Whether processes of ours are made by fork. What a user's program forks is its own affair.
HAS_FORK = hasattr(os, "fork") and not PORTABLE


def call_after_fork(function: Callable[[], object]) -> None:
    """Have a function called in each child that is forked from this process."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)
