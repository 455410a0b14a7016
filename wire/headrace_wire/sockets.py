"""Options of TCP sockets, as far as the system has them."""

from __future__ import annotations

import socket
from typing import Any

#: A host that vanished is noticed after about two minutes, not the system's two hours: by probes
#: after this many idle seconds, this many seconds apart, so many of them. Data that is not
#: confirmed within the user timeout in milliseconds ends a connection too; without that, a link
#: that was cut holds a sender for a quarter of an hour (RFC 5482). macOS calls the first one
#: TCP_KEEPALIVE, and not every system has all of them.
TCP_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPALIVE": 60,
    "TCP_KEEPINTVL": 15,
    "TCP_KEEPCNT": 4,
    "TCP_USER_TIMEOUT": 60_000,
}


def tune(sock: Any) -> None:
    """Have small frames leave at once, and a host that vanished noticed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in TCP_OPTIONS.items():
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
