"""Events on the command line: lines or JSON, and how many are missing."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.cli import events
from headrace_wire.messages.views import ClusterEvent, EventPage, EventRequest
from support.said import Said, say

DEAD = ClusterEvent(7, 1e9, "task-failed", "abc", "w", "it said \x1b[31mno\nat all")
LEFT = ClusterEvent(9, 1e9 + 0.5, "worker-left", "", "w", "0 tasks go to others")


@pytest.fixture
def pages() -> list[EventPage]:
    return [EventPage((DEAD, LEFT), 9, 0)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, pages: list[EventPage]) -> list[EventRequest]:
    """What is asked of a coordinator that answers with these pages."""
    asked: list[EventRequest] = []

    def answer(request: EventRequest) -> EventPage:
        asked.append(request)
        return pages.pop(0)

    cluster: Any = SimpleNamespace(engine=SimpleNamespace(jobs=SimpleNamespace(events=answer)))
    monkeypatch.setattr(events, "connect", lambda _: cluster)
    return asked


def show(capsys: pytest.CaptureFixture[str], tmp_path: object, *words: str) -> Said:
    return say(capsys, "events", "--key-file", f"{tmp_path}/key", *words)


def test_each_event_is_one_line_whatever_is_in_it(
    asked: list[EventRequest], capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    said = show(capsys, tmp_path)
    assert said.code == 0
    assert said.out.splitlines() == [
        r"2001-09-09T01:46:40.000Z task-failed     abc on w: it said \x1b[31mno\nat all",
        "2001-09-09T01:46:40.500Z worker-left     w: 0 tasks go to others",
    ]
    assert asked == [EventRequest(last=20)]


def test_programs_get_an_object_a_line(
    asked: list[EventRequest], capsys: pytest.CaptureFixture[str], tmp_path: object
) -> None:
    first = show(capsys, tmp_path, "--json", "--since-start").out.splitlines()[0]
    assert json.loads(first) == {
        "number": 7, "at": "2001-09-09T01:46:40.000Z", "kind": "task-failed", "job": "abc",
        "worker": "w", "text": DEAD.text,
    }  # fmt: skip
    assert asked == [EventRequest()]


def test_what_is_not_remembered_is_told_on_standard_error(
    pages: list[EventPage],
    asked: list[EventRequest],
    capsys: pytest.CaptureFixture[str],
    tmp_path: object,
) -> None:
    pages[:] = [EventPage((LEFT,), 9, 1234)]
    said = show(capsys, tmp_path, "--last", "1")
    assert said.err == "headrace: 1,234 events are not remembered: there were too many\n"
    assert "worker-left" in said.out
    assert asked == [EventRequest(last=1)]
