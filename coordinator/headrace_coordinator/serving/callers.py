"""What the caller of a method may do, beyond what the role of its key says."""

from __future__ import annotations

from headrace_wire.roles import ADMIN, caller


def name_worker_key() -> str:
    """The name of the caller's key, for whose workers alone it may speak; "" for all of them."""
    holder = caller()
    return "" if holder.role == ADMIN else holder.name
