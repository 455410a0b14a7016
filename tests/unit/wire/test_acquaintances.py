"""Keys that coordinators have taken."""

from __future__ import annotations

import pytest

from headrace_wire import acquaintances
from headrace_wire.acquaintances import explain_stranger, note_revoked, note_taken
from headrace_wire.errors import KeyRefusedError, UnreachableError

PLACE = ("coordinator", 1)


@pytest.fixture(autouse=True)
def _nobody_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquaintances, "_known", {})


def test_a_refusal_passes_where_the_key_was_taken_and_nowhere_else() -> None:
    note_taken(PLACE, b"key")
    error = KeyRefusedError("refused")
    for place, key in ((PLACE, b"other"), (("elsewhere", 1), b"key")):
        assert explain_stranger(place, key, error) is error
    assert not error.may_pass
    loss = explain_stranger(PLACE, b"key", error)
    assert isinstance(loss, UnreachableError)
    assert (loss.message, loss.refusal, error.may_pass) == ("refused", error, True)
    note_revoked(PLACE, b"key")
    assert explain_stranger(PLACE, b"key", error) is error


def test_only_so_many_keys_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acquaintances, "MOST_KNOWN", 3)
    note_taken(PLACE, b"own")
    for number in range(9):
        note_taken(PLACE, b"of task %d" % number)
        note_taken(PLACE, b"own")
    assert list(acquaintances._known) == [
        (PLACE, b"of task 7"), (PLACE, b"of task 8"), (PLACE, b"own")
    ]  # fmt: skip
