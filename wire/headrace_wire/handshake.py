"""The challenge and the response by which both sides show that they hold the key.

As ``multiprocessing.connection`` of Python 3.12 and later speaks them with SHA-256, on every
version of Python: what comes with 3.11 knows MD5 alone.

    server ── #CHALLENGE#{sha256}… ─► client
    server ◄─ {sha256}<digest> ────── client
    server ── #WELCOME# ────────────► client    and the same the other way round

Each half is a generator that touches no connection. It yields a frame's body to have it sent, or
None to be resumed with the body of the next frame: ``MsgpackConnection.follow`` and
``FrameStream.follow`` do what it asks for.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Generator, Iterable
from multiprocessing import AuthenticationError
from typing import Any, TypeVar

from headrace_wire.first_version import answer_first, find_first_key, is_first_challenge
from headrace_wire.framing import Body

Given = TypeVar("Given")

#: What one side does in a handshake.
Handshake = Generator[bytes | None, Any, Given]

#: Bytes of a challenge's random part, as in the standard library.
CHALLENGE_BYTES = 40

#: A shorter challenge is refused: it could be one of few, and its answer known from another time.
#: With as many bytes as a digest has, no challenge is one: see ``headrace_wire.tls``.
LEAST_CHALLENGE_BYTES = 32

CHALLENGE = b"#CHALLENGE#"
WELCOME = b"#WELCOME#"
FAILURE = b"#FAILURE#"

#: Names the digest, and is part of what it is taken of.
DIGEST = b"{sha256}"

#: Bytes of an answer to a challenge.
ANSWER_BYTES = len(DIGEST) + 32


class StrangerError(EOFError):
    """The other side does not know this handshake."""


class FirstVersionError(StrangerError):
    """The other side shakes hands as headrace 0.1 does on Python 3.11.

    Where it has shown that it holds the ``key``, it awaits that its own challenge is answered.
    """

    key: bytes = b""


def deliver_challenge(key: bytes) -> Handshake[None]:
    """Have the other side show that it holds the key. Raises AuthenticationError."""
    yield from find_key([key])


def find_key(keys: Iterable[bytes]) -> Handshake[bytes]:
    """Have the other side show that it holds one of these keys, and return which.

    Raises AuthenticationError.
    """
    return (yield from find_hinted_key(lambda hint: () if hint else keys))


def find_hinted_key(find_keys: Callable[[bytes], Iterable[bytes]]) -> Handshake[bytes]:
    """Have the other side show that it holds one of the keys that it may be: what it says of its
    key behind the answer, mostly nothing, is handed to ``find_keys``.

    Each is compared, also after one has fitted: how long it takes tells nothing about them.
    Raises AuthenticationError, and FirstVersionError for a client of version 0.1 that holds one.
    """
    message = DIGEST + os.urandom(CHALLENGE_BYTES)
    yield CHALLENGE + message
    response = bytes((yield None))
    if (key := find_first_key(lambda: find_keys(b""), message, response)) is not None:
        yield WELCOME
        error = FirstVersionError("the other side is headrace 0.1")
        error.key = key
        raise error
    answer, hint = response[:ANSWER_BYTES], response[ANSWER_BYTES:]
    held = [key for key in find_keys(hint) if hmac.compare_digest(_answer(key, message), answer)]
    if not held:
        yield FAILURE
        raise AuthenticationError("the other side does not hold the key")
    yield WELCOME
    return held[0]


def answer_challenge(key: bytes, hint: bytes = b"") -> Handshake[None]:
    """Show that this side holds the key, and say which it is. Raises AuthenticationError when the
    other side refuses, and StrangerError.
    """
    challenge = bytes((yield None))
    message = challenge.removeprefix(CHALLENGE)
    if message != challenge and is_first_challenge(message):
        raise FirstVersionError("the other side is headrace 0.1")
    if message == challenge or not message.startswith(DIGEST):
        raise StrangerError("what came is no challenge")
    if len(message) < len(DIGEST) + LEAST_CHALLENGE_BYTES:
        raise StrangerError("the challenge is too short")
    yield _answer(key, message) + hint
    verdict: Body = yield None
    if verdict == FAILURE:
        raise AuthenticationError("the other side holds another key")
    if verdict != WELCOME:
        raise StrangerError("what came is neither a welcome nor a refusal")


def meet_first_version(key: bytes) -> Handshake[None]:
    """Show a client of version 0.1 on Python 3.11, which has shown the key, that this side holds it
    as well. Raises StrangerError.
    """
    challenge = bytes((yield None))
    message = challenge.removeprefix(CHALLENGE)
    if message == challenge or not is_first_challenge(message):
        raise StrangerError("what came is no challenge")
    yield answer_first(key, message)
    verdict: Body = yield None
    if verdict != WELCOME:
        raise StrangerError("what came is no welcome")


def prove_both(key: bytes, hint: bytes = b"") -> Handshake[None]:
    """The client's side of both halves."""
    yield from answer_challenge(key, hint)
    yield from deliver_challenge(key)


def _answer(key: bytes, message: bytes) -> bytes:
    return DIGEST + hmac.digest(key, message, "sha256")
