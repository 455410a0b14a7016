"""The challenge and the response by which both sides show that they hold the key.

The handshake is that of ``multiprocessing.connection`` in Python 3.12 and later, with SHA-256, on
every version of Python; that of 3.11 only supports MD5.

    server ── #CHALLENGE#{sha256}… ─► client
    server ◄─ {sha256}<digest> ────── client
    server ── #WELCOME# ────────────► client    and the same in the other direction

Each half is a generator that does not use a connection. It yields the body of a frame to send, or
None to receive the body of the next frame. ``MsgpackConnection.follow`` and ``FrameStream.follow``
carry this out.
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

#: One side of a handshake.
Handshake = Generator[bytes | None, Any, Given]

#: The size of a challenge's random part in bytes, as in the standard library.
CHALLENGE_BYTES = 40

#: A shorter challenge is refused: it could be one of few, so that its answer is known from another
#: time. Together with ``DIGEST``, a challenge is longer than a digest: see ``headrace_wire.tls``.
LEAST_CHALLENGE_BYTES = 32

CHALLENGE = b"#CHALLENGE#"
WELCOME = b"#WELCOME#"
FAILURE = b"#FAILURE#"

#: Names the digest, and is part of the digested text.
DIGEST = b"{sha256}"

#: The size of an answer to a challenge in bytes.
ANSWER_BYTES = len(DIGEST) + 32


class StrangerError(EOFError):
    """The peer does not know this handshake."""


class FirstVersionError(StrangerError):
    """The peer uses the handshake of headrace 0.1 on Python 3.11.

    If it has shown that it holds the ``key``, it expects an answer to its own challenge.
    """

    key: bytes = b""


def deliver_challenge(key: bytes) -> Handshake[None]:
    """Let the peer show that it holds the key. Raises AuthenticationError."""
    yield from find_key([key])


def find_key(keys: Iterable[bytes]) -> Handshake[bytes]:
    """Let the peer show that it holds one of these keys, and return which.

    Raises AuthenticationError.
    """
    return (yield from find_hinted_key(lambda hint: () if hint else keys))


def find_hinted_key(find_keys: Callable[[bytes], Iterable[bytes]]) -> Handshake[bytes]:
    """Let the peer show that it holds one of several keys, and return which. ``find_keys`` is
    called with the hint that the peer sends after its answer, which is usually empty.

    All keys are compared, even after a match, so that the time reveals nothing about them. Raises
    AuthenticationError, and FirstVersionError for a client of version 0.1 that holds one.
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
    """Show that this side holds the key, with a hint which key it is. Raises AuthenticationError if
    the peer refuses it, and StrangerError.
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
    """Show a client of version 0.1 on Python 3.11, which has proven the key, that this side holds
    it, too. Raises StrangerError.
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
    """Perform both halves, as the client."""
    yield from answer_challenge(key, hint)
    yield from deliver_challenge(key)


def _answer(key: bytes, message: bytes) -> bytes:
    return DIGEST + hmac.digest(key, message, "sha256")
