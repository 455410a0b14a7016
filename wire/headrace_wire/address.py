"""HOST:PORT, as users write it and as sockets take it."""

from __future__ import annotations

from typing import NamedTuple

from headrace_wire.errors import UsageError

#: Where a coordinator serves its queues when nothing else is said.
DEFAULT_PORT = 7333


class Address(NamedTuple):
    """A TCP endpoint. ``host`` is a name, an IPv4 or an IPv6 address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, default_port: int = DEFAULT_PORT) -> Address:
    """Read ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT``.

    Raises UsageError for anything else.
    """
    bare_ipv6 = text.count(":") > 1 and not text.startswith("[")
    host, separator, port = (text, "", "") if bare_ipv6 else text.rpartition(":")
    if not separator:
        host, port = text, str(default_port)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not port.isascii() or not port.isdigit() or int(port) > 0xFFFF:
        raise UsageError(f"{text!r} is not an address: write HOST:PORT, such as localhost:7333")
    return Address(host or "127.0.0.1", int(port))
