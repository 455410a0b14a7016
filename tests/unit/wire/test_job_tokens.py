"""A token is a key of one job, and says of which."""

from __future__ import annotations

from multiprocessing import AuthenticationError

import pytest

from headrace_wire.handshake import FAILURE, WELCOME, answer_challenge, find_hinted_key
from headrace_wire.job_tokens import find_hint, list_tokens, make_token
from headrace_wire.keyring import Keys
from headrace_wire.roles import TASK
from support.wire_server import KEY

ANOTHER_KEY = KEY[::-1]


@pytest.mark.parametrize("job", ["a951b1e33cb8", "a:b", ":", "é", "x" * 64])
def test_a_token_says_of_which_job_it_is(job: str) -> None:
    assert find_hint(make_token(KEY, job)) == job.encode()


@pytest.mark.parametrize("key", [KEY, b"", bytes(32), b"job"])
def test_a_key_says_nothing_of_itself(key: bytes) -> None:
    assert find_hint(key) == b""


def test_each_job_and_key_has_a_token_of_its_own() -> None:
    tokens = {make_token(key, job) for key in (KEY, ANOTHER_KEY) for job in ("a", "b", "a:b")}
    assert len(tokens) == 6


def test_a_holder_of_a_token_is_its_job_with_the_role_of_tasks() -> None:
    found = list_tokens([KEY, ANOTHER_KEY], "a")
    assert list(found) == [make_token(KEY, "a"), make_token(ANOTHER_KEY, "a")]
    assert {(holder.name, holder.role) for holder in found.values()} == {("a", TASK)}
    assert len({holder.mark for holder in found.values()}) == 2


def shake_hands(shown: bytes, hint: bytes, live: str) -> bytes | None:
    """The server's verdict on a client that shows a key and says this of it."""
    asked: list[bytes] = []

    def find_keys(hint: bytes) -> Keys:
        asked.append(hint)
        return list_tokens([KEY], live) if hint == live.encode() else {}

    server = find_hinted_key(find_keys)
    challenge = next(server)
    client = answer_challenge(shown, hint)
    next(client)
    answer = client.send(challenge)
    next(server)
    verdict = server.send(answer)
    assert asked == [hint]
    if verdict == FAILURE:
        with pytest.raises(AuthenticationError):
            next(server)
    return verdict


def test_the_token_of_a_live_job_is_welcome() -> None:
    token = make_token(KEY, "a")
    assert shake_hands(token, find_hint(token), "a") == WELCOME


@pytest.mark.parametrize(
    ("shown", "hint"),
    [
        (make_token(KEY, "a"), b"b"),
        (make_token(KEY, "b"), b"a"),
        (make_token(ANOTHER_KEY, "a"), b"a"),
        (KEY, b"a"),
        (make_token(KEY, "a"), b"\xff"),
        (make_token(KEY, "a"), b""),
    ],
    ids=["of another", "not of it", "another key", "a key", "no text", "nothing said"],
)
def test_what_does_not_fit_is_refused(shown: bytes, hint: bytes) -> None:
    assert shake_hands(shown, hint, "a") == FAILURE
