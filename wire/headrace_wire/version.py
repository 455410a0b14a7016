"""Which protocol this side speaks, and which headrace it belongs to."""

from functools import cache

from headrace_wire.distributions import find_version

#: Raised by one with every change to messages or methods that the other side would misread.
PROTOCOL = 5


@cache
def read_version() -> str:
    """Version of the installed distribution; "unknown" in a bare checkout."""
    return find_version("headrace") or "unknown"
