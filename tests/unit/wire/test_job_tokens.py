"""A token is a key of one job, and says of which."""

from __future__ import annotations

from multiprocessing import AuthenticationError

import pytest

from headrace_wire.handshake import FAILURE, WELCOME, answer_challenge, find_hinted_key
from headrace_wire.job_tokens import find_hint, hold_token, make_token, split_hint
from headrace_wire.keyring import Keys
from headrace_wire.roles import TASK
from support.wire_server import KEY

ANOTHER_KEY = KEY[::-1]

#: The mark of a worker's key, and of another one.
MARK, ANOTHER_MARK = "0123456789abcdef", "f" * 16


@pytest.mark.parametrize("job", ["a951b1e33cb8", "a:b", ":", "é", "x" * 64])
def test_a_token_says_of_which_job_and_worker_s_key_it_is(job: str) -> None:
    assert split_hint(find_hint(make_token(KEY, job, MARK))) == (job, MARK)


@pytest.mark.parametrize("key", [KEY, b"", bytes(32), b"job"])
def test_a_key_says_nothing_of_itself(key: bytes) -> None:
    assert find_hint(key) == b""


def test_each_job_secret_and_worker_s_key_has_a_token_of_its_own() -> None:
    tokens = {
        make_token(secret, job, mark).rpartition(b":")[2]
        for secret in (KEY, ANOTHER_KEY)
        for job in ("a", "b", "a:b")
        for mark in (MARK, ANOTHER_MARK)
    }
    assert len(tokens) == 12


def test_a_holder_of_a_token_is_its_job_with_the_role_of_tasks() -> None:
    found = {**hold_token(KEY, "a", MARK), **hold_token(KEY, "a", ANOTHER_MARK)}
    assert list(found) == [make_token(KEY, "a", MARK), make_token(KEY, "a", ANOTHER_MARK)]
    assert {(holder.name, holder.role) for holder in found.values()} == {("a", TASK)}
    assert [holder.key_mark for holder in found.values()] == [MARK, ANOTHER_MARK]
    assert len({holder.mark for holder in found.values()}) == 2


OF_A = f"a:{MARK}".encode()


def shake_hands(shown: bytes, hint: bytes, live: str) -> bytes | None:
    """The server's verdict on a client that shows a key and says this of it."""
    asked: list[bytes] = []

    def find_keys(hint: bytes) -> Keys:
        asked.append(hint)
        job, mark = split_hint(hint)
        return hold_token(KEY, job, mark) if (job, mark) == (live, MARK) else {}

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
    token = make_token(KEY, "a", MARK)
    assert shake_hands(token, find_hint(token), "a") == WELCOME


@pytest.mark.parametrize(
    ("shown", "hint"),
    [
        (make_token(KEY, "a", MARK), f"b:{MARK}".encode()),
        (make_token(KEY, "b", MARK), OF_A),
        (make_token(KEY, "a", ANOTHER_MARK), OF_A),
        (make_token(KEY, "a", MARK), f"a:{ANOTHER_MARK}".encode()),
        (make_token(ANOTHER_KEY, "a", MARK), OF_A),
        (KEY, OF_A),
        (make_token(KEY, "a", MARK), b"a"),
        (make_token(KEY, "a", MARK), b"\xff"),
        (make_token(KEY, "a", MARK), b""),
    ],
    ids=[
        "of another",
        "not of it",
        "of another worker's",
        "of a key that is gone",
        "another secret",
        "a key",
        "of no key",
        "no text",
        "nothing said",
    ],
)
def test_what_does_not_fit_is_refused(shown: bytes, hint: bytes) -> None:
    assert shake_hands(shown, hint, "a") == FAILURE
