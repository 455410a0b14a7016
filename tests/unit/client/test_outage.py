"""What is said of a coordinator that is away, and of one that is back."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pytest

from headrace.outage import OutageNotice, find_end
from headrace_wire.errors import KeyRefusedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

AWAY = "the coordinator went away; trying to reconnect for 10 min"
REFUSED = "holds another key; trying to reconnect for 10 min"
BACK = "the coordinator answers again"


class Told:
    """A notice, what it told, and the clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.lines: list[str] = []
        self.notice = OutageNotice(600, self.lines.append)

    def lose(self, connected_at: float | None = None) -> None:
        error = UnreachableError("the coordinator went away")
        error.connected_at = connected_at
        self.notice(error)

    def refuse(self) -> None:
        error = UnreachableError("holds another key")
        error.refusal = KeyRefusedError("holds another key")
        self.notice(error)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    made = Told()
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    return made


def test_each_outage_is_told_once_and_a_refused_key_as_well(told: Told) -> None:
    for step in (told.lose, told.lose, told.refuse, told.refuse, told.lose):
        step()
        told.now += 100
    assert told.lines == [AWAY, REFUSED]


def test_its_end_is_told_once_and_the_next_outage_again(told: Told) -> None:
    told.notice.end()
    for _ in range(3):
        told.lose()
        told.notice.end()
        told.notice.end()
    assert told.lines == [AWAY, BACK] * 3
    told.lose()
    told.refuse()
    told.notice.end()
    assert told.lines[6:] == [AWAY, REFUSED, BACK]


def test_another_connection_that_was_lost_with_the_first_is_no_other_outage(told: Told) -> None:
    told.lose(connected_at=90)
    told.now += 1
    told.notice.end()
    told.lose(connected_at=95)
    assert told.lines == [AWAY, BACK]
    told.now += 1
    told.lose(connected_at=101)
    assert told.lines == [AWAY, BACK, AWAY]


def test_without_an_end_none_is_told(caplog: pytest.LogCaptureFixture) -> None:
    OutageNotice(math.inf)(UnreachableError("the coordinator went away"))
    assert caplog.messages == ["headrace: the coordinator went away; trying to reconnect"]


def test_only_a_notice_has_an_end(told: Told) -> None:
    callback: Callable[[UnreachableError], None] = list[UnreachableError]().append
    assert find_end(told.notice) == told.notice.end
    assert find_end(callback) is find_end(None) is None
