"""Calls that are refused, by whoever makes very many of them."""

from __future__ import annotations

import logging

import pytest

from headrace_wire import denials
from headrace_wire.denials import Denials
from headrace_wire.roles import CLIENT, TASK, Holder

ALICE, BOB = Holder("alice", CLIENT), Holder("bob", CLIENT)

LOG = logging.getLogger("denials")


def test_of_each_key_some_are_told_and_later_how_many_there_were(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denials, "LINES_AT_ONCE", 2)
    seconds = 0.0
    told = Denials(lambda: seconds)
    for _ in range(5):
        told.note(ALICE, "alice was refused", (LOG,))
    told.note(BOB, "bob was refused", (LOG, LOG))
    assert caplog.messages == ["alice was refused"] * 2 + ["bob was refused"] * 2
    seconds += 1 / denials.LINES_PER_SECOND
    told.note(ALICE, "alice was refused", (LOG,))
    assert caplog.messages[-1] == "alice was refused (3 lines were left out about this key before)"


def test_tasks_of_all_jobs_are_as_one_key(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denials, "LINES_AT_ONCE", 2)
    told = Denials(lambda: 0.0)
    for job in range(5):
        told.note(Holder(f"job{job}", TASK), f"job{job} was refused", (LOG,))
    assert caplog.messages == ["job0 was refused", "job1 was refused"]
