"""The address of a Dask scheduler. This module does not need Dask."""

from __future__ import annotations

import re

from headrace_wire.errors import UsageError

#: The port of a scheduler if an address has none.
DEFAULT_PORT = 8786

#: The highest port number.
MAX_PORT = 65535


def complete_address(address: str) -> str:
    """Return the address of a scheduler with protocol and port. Raises UsageError."""
    protocol, found, place = address.rpartition("://")
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = place, str(DEFAULT_PORT)
    if not re.fullmatch(r"[^\s/]+", host) or not port.isdecimal():
        raise UsageError(
            f"{address!r} is no address of a Dask scheduler: write HOST:{DEFAULT_PORT}"
        )
    if len(port) > len(str(MAX_PORT)) or not 1 <= int(port) <= MAX_PORT:
        raise UsageError(
            f"{address!r} is no address of a Dask scheduler: a port is a number from 1 to "
            f"{MAX_PORT}, such as {DEFAULT_PORT}"
        )
    return f"{protocol if found else 'tcp'}://{host}:{port}"
