"""The embedded cluster, where something happens to its children."""

from __future__ import annotations

import os
import signal
import time

import pytest

from headrace import embedded
from headrace.embedded import STOP_SECONDS, open_embedded_cluster


@pytest.mark.parametrize("frozen", [["worker"], ["coordinator"], ["worker", "coordinator"]])
def test_children_that_somebody_has_stopped_are_not_waited_for(
    frozen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: dict[str, int] = {}
    start = embedded._start

    def start_noted(role: str, *args: object) -> object:
        child = start(role, *args)  # type: ignore[arg-type] # as it was called
        pids[role] = child.pid
        return child

    monkeypatch.setattr(embedded, "_start", start_noted)
    with open_embedded_cluster("1"):
        for role in frozen:
            os.kill(pids[role], signal.SIGSTOP)
        begun = time.monotonic()
    assert time.monotonic() - begun < STOP_SECONDS
