"""The embedded cluster, where something happens to its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace import embedded
from headrace.child.orders import Order
from headrace.embedded import STOP_SECONDS, EmbeddedClusterError, open_embedded_cluster


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


def test_a_worker_whose_program_is_gone_before_it_tells_where_the_coordinator_is_ends(
    tmp_path: Path,
) -> None:
    order = Order(str(tmp_path), slots="1")
    done = subprocess.run(
        [sys.executable, "-m", "headrace.child", "worker", order.write()],
        check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_coordinator_that_cannot_start_is_said_so_and_leaves_no_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded, "ensure_key", lambda path: path.mkdir())
    with (
        pytest.raises(EmbeddedClusterError, match=r"no embedded coordinator: headrace: .*key"),
        open_embedded_cluster("1"),
    ):
        raise AssertionError("it opened")
    assert all(child.poll() is not None for child in embedded._CHILDREN)
