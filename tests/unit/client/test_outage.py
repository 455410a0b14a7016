"""What is said of a coordinator that is away."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from headrace.outage import FORGET_SECONDS, OutageNotice
from headrace_wire.errors import KeyRefusedError, UnreachableError

if TYPE_CHECKING:
    import pytest


def test_each_outage_is_told_once_and_a_refused_key_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    told: list[str] = []
    notice = OutageNotice(600, told.append)
    refused = UnreachableError("holds another key")
    refused.refusal = KeyRefusedError("holds another key")
    away = UnreachableError("the coordinator went away")
    for error in (away, away, refused, refused, away):
        notice.note(error)
        now += FORGET_SECONDS - 1
    assert told == [
        "the coordinator went away; trying to reconnect for 10 min",
        "holds another key; trying to reconnect for 10 min",
    ]
    now += 2
    notice.note(away)
    assert len(told) == 3


def test_without_an_end_none_is_told(caplog: pytest.LogCaptureFixture) -> None:
    OutageNotice(math.inf).note(UnreachableError("the coordinator went away"))
    assert caplog.messages == ["headrace: the coordinator went away; trying to reconnect"]
