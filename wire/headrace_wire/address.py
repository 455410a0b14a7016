"""Addresses such as HOST:PORT or unix:PATH, as users write them and as sockets require them."""

from __future__ import annotations

import os
import re
import sys
from typing import NamedTuple

from headrace_wire.bounds import Port, check_value, quote
from headrace_wire.errors import UsageError
from headrace_wire.system.unix_sockets import HAS_UNIX_SOCKETS
from headrace_wire.words import count

#: The default port of a coordinator's queues.
DEFAULT_PORT = 7333

#: The default port of its metrics and health.
DEFAULT_HTTP_PORT = 7380

#: The prefix of the path of a Unix socket, as users write it.
UNIX = "unix:"

#: The maximum length of the path of a Unix socket, in bytes.
MAX_PATH_BYTES = 107 if sys.platform == "linux" else 103

#: The names and IPv4 addresses that users may write. Compose makes names that contain underscores.
#: A number is none: it is a port, or how many processes there should be.
_HOST = re.compile(r"(?!\d+(?::|$))[\w-]+(?:\.[\w-]+)*\.?")

#: The addresses that they may write.
_ADDRESS = re.compile(
    rf"(?:\[(?P<ipv6>.+)\]|(?P<name>{_HOST.pattern}))?(?::(?P<port>[0-9]{{1,5}}))?"
)


class Address(NamedTuple):
    """A TCP endpoint, or a Unix socket. ``host`` is a name, an IPv4 address, or an IPv6 address
    without brackets; for a Unix socket it is the full path, and ``port`` is 0.

    As text, it has the brackets that an IPv6 address needs, and ``unix:`` before a path.
    """

    host: str
    port: int

    @property
    def is_unix(self) -> bool:
        """Whether it is the address of a Unix socket."""
        return is_path(self.host)

    def __str__(self) -> str:
        if self.is_unix:
            return UNIX + self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_path(host: str) -> bool:
    """Return whether the host of an address is the path of a Unix socket."""
    return host.startswith("/")


def parse_address(text: str, default_port: int = DEFAULT_PORT) -> Address:
    """Parse ``HOST``, ``HOST:PORT``, ``:PORT``, ``IPV6``, ``[IPV6]``, ``[IPV6]:PORT`` or
    ``unix:PATH``.

    Raises UsageError for anything else, also for "": a variable may not have been set.
    """
    if text.startswith(UNIX):
        return Address(_read_path(text), 0)
    if _is_ipv6(text):
        return Address(text, default_port)
    found = _ADDRESS.fullmatch(text)
    if text and found:
        ipv6, name = found["ipv6"], found["name"]
        port = int(found["port"] or default_port)
        if port <= 0xFFFF and (ipv6 is None or _is_ipv6(ipv6)):
            return Address(ipv6 or name or "127.0.0.1", port)
    raise UsageError(f"{text!r} is not an address: write HOST:PORT, such as localhost:7333")


def check_endpoint(pair: tuple[object, ...]) -> Address:
    """Return the address that a tuple of host and port is. An ``Address`` is returned unchanged.

    Raises TypeError, UsageError for a host that cannot be one, and BoundsError for a port that is
    out of range.
    """
    if isinstance(pair, Address):
        return pair
    if len(pair) != len(Address._fields):
        values = count(len(pair), "value")
        raise TypeError(f"an address must be a tuple of host and port, not of {values}")
    host, port = pair
    if not isinstance(host, str):
        raise TypeError(f"the host of an address must be text, not {type(host).__name__}")
    port = check_value(Port, port, "the port of an address")
    if not (_is_ipv6(host) or _HOST.fullmatch(host)):
        raise UsageError(f"{quote(host)} is no host: give a name or an IP address")
    return Address(host, port)


def _read_path(text: str) -> str:
    if not HAS_UNIX_SOCKETS:
        raise UsageError(f"{text!r}: this system has no Unix sockets; write HOST:PORT")
    path = text.removeprefix(UNIX)
    if not path or path.endswith("/") or "\0" in path:
        raise UsageError(
            f"{text!r} names no file: write unix:PATH, such as unix:/run/headrace.sock"
        )
    try:
        full = "/" + os.path.abspath(path).lstrip("/")  # noqa: PTH100 - links stay, and "//" goes
    except FileNotFoundError:
        raise UsageError(f"{text!r} cannot be found: the present folder was removed") from None
    length = len(os.fsencode(full))
    if length > MAX_PATH_BYTES:
        raise UsageError(
            f"{UNIX}{full} is too long: the path of a Unix socket has up to {MAX_PATH_BYTES} "
            f"bytes, and this one {length}; name a shorter one, maybe by a link to its folder"
        )
    return full


def _is_ipv6(text: str) -> bool:
    if ":" not in text:
        return False
    import ipaddress  # noqa: PLC0415 - large, and rarely needed

    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
