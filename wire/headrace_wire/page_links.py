"""Links that log in to the coordinator's page. They contain a token that is derived from a key.

    <mark of the key>.<role>.<until when>.<HMAC-SHA256(key, "headrace page <all that>")>

So it does no harm if a link remains in a browser's history: it only opens the page, and it becomes
invalid after some time, and with the key. The holder of a key can make links without a request to
the coordinator.
"""

from __future__ import annotations

import hmac
import time

from headrace_wire.address import Address, parse_address
from headrace_wire.encryption import is_loopback
from headrace_wire.keyring import mark_key
from headrace_wire.roles import OBSERVER, Role

#: For how many seconds a link is valid that is opened at once, and one that a coordinator shows
#: when it is started.
LINK_SECONDS = 3600.0
START_LINK_SECONDS = 7 * 86400.0


def make_link_token(key: bytes, seconds: float, *, looks_only: bool = False) -> str:
    """Return the token of a link for the holder of a key; with ``looks_only``, only for looking."""
    said = f"{mark_key(key)}.{OBSERVER if looks_only else ''}.{int(time.time() + seconds)}"
    return f"{said}.{_sign(key, said)}"


def opens_with(token: str, key: bytes) -> bool:
    """Return whether the token of a link is derived from this key, and still valid."""
    said, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_sign(key, said).encode(), signature.encode("utf-8", "replace")):
        return False
    return time.time() < int(said.rpartition(".")[2])


def read_link_role(token: str) -> Role | None:
    """Return the role to which a link that ``opens_with`` a key is restricted, if it is."""
    parts = token.split(".")
    return OBSERVER if len(parts) == 4 and parts[1] == OBSERVER else None


def write_link(page: str, token: str) -> str:
    """Return the link to a page, such as ``http://127.0.0.1:7380``, with a token."""
    return f"{page}/?token={token}"


def reach_page(page: str, coordinator: Address) -> str:
    """Return the URL of the page for a client that connects to the coordinator at this address: a
    page that is served at all addresses of its machine is also served at that one.
    """
    scheme, _, place = page.partition("://")
    served = parse_address(place)
    if served.host not in {"0.0.0.0", "::"}:  # noqa: S104 - nothing is served here
        return page
    host = "127.0.0.1" if coordinator.is_unix else coordinator.host
    return f"{scheme}://{Address(host, served.port)}"


def is_elsewhere(page: str, coordinator: Address) -> bool:
    """Return whether only the coordinator's machine can open the page, and this is another one."""
    is_here = coordinator.is_unix or is_loopback(coordinator.host)
    return is_loopback(parse_address(page.partition("://")[2]).host) and not is_here


def _sign(key: bytes, said: str) -> str:
    return hmac.digest(key, f"headrace page {said}".encode("utf-8", "replace"), "sha256").hex()
