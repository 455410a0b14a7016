"""The challenge and the response, as a newer standard library speaks them."""

from __future__ import annotations

import hashlib
import hmac
import sys
import threading
from multiprocessing import AuthenticationError, connection
from typing import TYPE_CHECKING, Any

import pytest

from headrace_wire.handshake import (
    FAILURE,
    WELCOME,
    StrangerError,
    answer_challenge,
    deliver_challenge,
    find_key,
)
from support.wire_peer import follow
from support.wire_server import KEY, PATIENCE_SECONDS

if TYPE_CHECKING:
    from headrace_wire.handshake import Handshake

ANOTHER_KEY = b"another key" * 4

MESSAGE = b"{sha256}" + bytes(range(40))
CHALLENGE = b"#CHALLENGE#" + MESSAGE
RESPONSE = b"{sha256}" + hmac.new(KEY, MESSAGE, hashlib.sha256).digest()


def run(steps: Handshake[Any], *frames: bytes) -> list[bytes]:
    """Hand a half what comes, and return what it sends."""
    coming = iter(frames)
    sent: list[bytes] = []
    frame: bytes | None = None
    while True:
        try:
            wanted = steps.send(frame)
        except StopIteration:
            return sent
        frame = next(coming) if wanted is None else None
        if wanted is not None:
            sent.append(wanted)


def test_the_response_is_a_keyed_digest_of_the_whole_message() -> None:
    assert run(answer_challenge(KEY), CHALLENGE, WELCOME) == [RESPONSE]


def test_a_right_response_is_welcome_and_no_challenge_comes_twice() -> None:
    seen: set[bytes] = set()
    for _ in range(3):
        steps = deliver_challenge(KEY)
        challenge = steps.send(None)
        assert challenge is not None
        seen.add(challenge)
        (response,) = run(answer_challenge(KEY), challenge, WELCOME)
        assert steps.send(None) is None
        assert steps.send(response) == WELCOME
    assert len(seen) == 3


@pytest.mark.parametrize(
    "response",
    [
        b"",
        RESPONSE,
        RESPONSE.removeprefix(b"{sha256}"),
        b"{md5}" + bytes(16),
        b"#WELCOME#",
        "\u00e4".encode(),
    ],
    ids=["empty", "to another challenge", "bare", "md5", "welcome", "not ASCII"],
)
def test_another_response_is_refused(response: bytes) -> None:
    steps = deliver_challenge(KEY)
    steps.send(None)
    steps.send(None)
    assert steps.send(response) == FAILURE
    with pytest.raises(AuthenticationError):
        steps.send(None)


def test_a_side_with_another_key_is_refused() -> None:
    steps = deliver_challenge(KEY)
    challenge = steps.send(None)
    assert challenge is not None
    steps.send(None)
    (response,) = run(answer_challenge(ANOTHER_KEY), challenge, WELCOME)
    assert steps.send(response) == FAILURE


def test_of_several_keys_the_one_that_was_shown_is_found() -> None:
    for key in (KEY, ANOTHER_KEY):
        steps = find_key([KEY, ANOTHER_KEY])
        challenge = steps.send(None)
        assert challenge is not None
        (response,) = run(answer_challenge(key), challenge, WELCOME)
        steps.send(None)
        assert steps.send(response) == WELCOME
        with pytest.raises(StopIteration) as end:
            steps.send(None)
        assert end.value.value == key


def test_no_key_at_all_is_held_by_nobody() -> None:
    steps = find_key([])
    steps.send(None)
    steps.send(None)
    assert steps.send(RESPONSE) == FAILURE


def test_a_refusal_is_told() -> None:
    with pytest.raises(AuthenticationError):
        run(answer_challenge(KEY), CHALLENGE, FAILURE)


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [MESSAGE],
        [b"#CHALLENGE#"],
        [b"#CHALLENGE#" + bytes(40)],
        [b"#CHALLENGE#{md5}" + bytes(40)],
        [b"#CHALLENGE#{sha256}" + bytes(31)],
        [CHALLENGE, b""],
        [CHALLENGE, CHALLENGE],
    ],
    ids=["empty", "no challenge", "bare", "no digest", "md5", "short", "nothing", "again"],
)
def test_who_does_not_know_the_handshake_is_a_stranger(frames: list[bytes]) -> None:
    with pytest.raises(StrangerError):
        run(answer_challenge(KEY), *frames)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="its standard library knows MD5 alone")
def test_the_standard_library_speaks_it_too() -> None:
    near, far = connection.Pipe()

    def challenge_first() -> None:
        connection.deliver_challenge(far, KEY)
        connection.answer_challenge(far, KEY)

    with near, far:
        thread = threading.Thread(target=challenge_first)
        thread.start()
        follow(near, answer_challenge(KEY))
        follow(near, deliver_challenge(KEY))
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
