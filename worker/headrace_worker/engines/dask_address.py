"""The address of a Dask scheduler, which is read where there is no Dask, too."""

from __future__ import annotations

import re

from headrace_wire.errors import UsageError

#: The port of a scheduler where an address has none.
DEFAULT_PORT = 8786

#: The highest port that there is.
MAX_PORT = 65535


def complete_address(address: str) -> str:
    """The address of a scheduler with its protocol and port. Raises UsageError."""
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
