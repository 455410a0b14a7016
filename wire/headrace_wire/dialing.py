"""How a client in an event loop connects: it looks up a name, tries its addresses, and starts
TLS.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Any

from headrace_wire.address import Address
from headrace_wire.connection import INTERNET, measure_handshake
from headrace_wire.encryption import AUTOMATIC, Encryption, is_near
from headrace_wire.greeting import explain_silence
from headrace_wire.lookup import TAKES_TOO_LONG, Found, begin, measure_lookup
from headrace_wire.stream import FrameStream, drop, wake
from headrace_wire.system.event_loop import watches_sockets
from headrace_wire.tls import speaks_plainly


async def open_stream(
    address: Address,
    until: float | None = None,
    encryption: Encryption = AUTOMATIC,
    *,
    again: bool = False,
) -> FrameStream:
    """Connect to a server, no later than the monotonic time ``until``, if given, and encrypt if the
    peer does. ``again`` means that it is known not to encrypt.

    Raises UnreachableError and ProtocolError.
    """
    try:
        sock = await _connect(address, until)
    except (OSError, UnicodeError) as error:  # a label of a host name may be too long
        raise explain_silence(address, error) from None
    try:
        async with asyncio.timeout(measure_handshake(until)):
            seconds = None
            if not again:
                seconds = encryption.measure_listening(address, is_near=is_near(sock))
            if seconds is None or await _poll(sock, seconds):
                return await _take_over(sock, {})
            context, host = encryption.make_context(), encryption.name_host(address)
            return await _take_over(sock, {"ssl": context, "server_hostname": host})
    except BaseException as error:
        drop(sock)
        if not isinstance(error, OSError):
            raise
        if not speaks_plainly(error):
            raise encryption.explain(address, error) from None
    encryption.require_plain(address)
    return await open_stream(address, until, encryption, again=True)


async def _take_over(sock: socket.socket, encrypting: dict[str, Any]) -> FrameStream:
    stream = FrameStream()
    loop = asyncio.get_running_loop()
    is_unix = sock.family not in INTERNET
    connect = loop.create_unix_connection if is_unix else loop.create_connection
    await connect(lambda: stream, sock=sock, **encrypting)
    return stream


async def _poll(sock: socket.socket, seconds: float) -> bool:
    """Return whether the peer sends something, or closes, within this many seconds."""
    if seconds <= 0:
        return False
    loop = asyncio.get_running_loop()
    if not watches_sockets(loop):
        return bool(await asyncio.to_thread(wait, [sock], seconds))
    news = loop.create_future()
    loop.add_reader(sock.fileno(), wake, news)
    try:
        async with asyncio.timeout(seconds):
            await news
        return True
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(sock.fileno())


async def _connect(address: Address, until: float | None) -> socket.socket:
    """Connect to the first of a host's addresses that answers. Raises OSError and UnicodeError."""
    failure: OSError | None = None
    for family, kind, protocol, _, place in await _look_up(address, until):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(measure_handshake(until)):
                await _open(sock, place)
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            failure = failure or error  # of the address that the system prefers
        else:
            return sock
    raise failure or OSError("the name has no address")


async def _open(sock: socket.socket, place: Any) -> None:
    loop = asyncio.get_running_loop()
    if not watches_sockets(loop):
        sock.settimeout(measure_handshake(None))
        await asyncio.to_thread(sock.connect, place)
        sock.setblocking(False)
        return
    # The event loops' own method imports the tables of international names.
    try:
        sock.connect(place)
    except BlockingIOError:
        if sock.family not in INTERNET:
            raise  # a Unix socket is busy, and does not tell when it no longer is
        opened = loop.create_future()
        loop.add_writer(sock.fileno(), wake, opened)
        try:
            await opened
        finally:
            loop.remove_writer(sock.fileno())
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise _make_error(code) from None


def _make_error(code: int) -> OSError:
    """Return the exception for a socket's error code, as calls of sockets raise it."""
    if sys.platform == "win32":  # os.strerror does not know its socket errors
        import ctypes  # noqa: PLC0415 - only here

        return ctypes.WinError(code)
    return OSError(code, os.strerror(code))


async def _look_up(address: Address, until: float | None) -> Sequence[Found]:
    """Return a host's addresses. Raises OSError and UnicodeError."""
    lookup = begin(*address)
    if lookup.done():
        return lookup.result()
    try:
        async with asyncio.timeout(measure_lookup(until)):
            return await asyncio.wrap_future(lookup)
    except TimeoutError:
        raise TimeoutError(TAKES_TOO_LONG) from None
