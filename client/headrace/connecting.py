"""The arguments of programs about a connection: address, key and TLS."""

from __future__ import annotations

import os

from headrace_wire.address import DEFAULT_PORT, Address, check_endpoint, parse_address
from headrace_wire.bounds import check_value
from headrace_wire.encryption import Encryption, choose_encryption
from headrace_wire.errors import UsageError


def require_kind(value: object, kinds: type | tuple[type, ...], name: str, wanted: str) -> None:
    """Raise TypeError for an argument that is none of these kinds, nor None."""
    if value is not None and not isinstance(value, kinds):
        raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


def read_address(address: object, name: str = "address") -> Address | None:
    """Read the address of a cluster as a program gives it: text, or a tuple of host and port.

    Raises TypeError for another type, and UsageError.
    """
    if isinstance(address, tuple):
        return check_endpoint(address)  # pyright: ignore[reportUnknownArgumentType] - any contents
    require_kind(address, str, name, "text, such as 'host:7333', or a tuple of host and port")
    return parse_address(address, DEFAULT_PORT) if isinstance(address, str) else None


def check_connecting(
    key: object, key_file: object, on_lost: object, patience_seconds: object
) -> None:
    """Raise TypeError for arguments about a connection that are of a wrong type."""
    require_kind(key, bytes, "key", "bytes")
    require_kind(key_file, (str, os.PathLike), "key_file", "the path of a file")
    if on_lost is not None and not callable(on_lost):
        raise TypeError(f"on_lost must be a callable, not {type(on_lost).__name__}")
    check_value(float, patience_seconds, "patience_seconds")


def refuse_without_address(**given: object) -> None:
    """Raise UsageError for arguments about how to reach a coordinator if no address is given.

    A user who gives a key means an existing cluster.
    """
    named = [name for name, value in given.items() if value is not None]
    if named:
        raise UsageError(
            f"{named[0]} is for a cluster that is there, and none was named: give its address, "
            f"HOST:PORT, or leave {named[0]} out for a cluster that is started here"
        )


def find_encryption(tls: str | Encryption | None) -> Encryption:
    """Return how to connect.

    ``tls`` is an Encryption, or ``"auto"``, ``"on"`` or ``"off"`` in any case, or None for the
    value of ``HEADRACE_TLS``. Certificates are read from ``HEADRACE_TLS_CERT``,
    ``HEADRACE_TLS_KEY`` and ``HEADRACE_TLS_CA``. Raises TypeError and UsageError.
    """
    if isinstance(tls, Encryption):
        return tls
    require_kind(tls, str, "tls", "'auto', 'on', 'off' or an Encryption")
    mode = tls or os.environ.get("HEADRACE_TLS") or "auto"
    return choose_encryption(
        mode, *(os.environ.get(f"HEADRACE_TLS_{name}") for name in ("CERT", "KEY", "CA"))
    )
