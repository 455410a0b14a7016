"""What is logged of slots that died."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from headrace_worker.pool.death_log import LINES_AT_ONCE, LINES_PER_SECOND, DeathLog

if TYPE_CHECKING:
    import pytest


def test_many_deaths_are_counted_and_not_all_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    log = DeathLog()
    slot = cast("Any", SimpleNamespace(number=3, pid=77))
    for _ in range(LINES_AT_ONCE + 12):
        log.note(slot, "the slot exited: exit status 1", None)
    line = "slot 3 (process 77), which ran no task, is replaced: the slot exited: exit status 1"
    assert caplog.messages == [line] * LINES_AT_ONCE
    now += 1 / LINES_PER_SECOND
    log.note(slot, "the slot exited: exit status 1", None)
    assert caplog.messages[LINES_AT_ONCE:] == [f"{line} (12 deaths before it not logged)"]
