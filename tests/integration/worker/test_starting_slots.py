"""How slots are started, what they start with, and what is said when they cannot be."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from headrace_wire.errors import UsageError
from headrace_worker.pool import slot_process, supervisor
from support.pidfds import replace_pidfds
from support.polled_pool import Pool
from support.pool_driver import collect, every_start_method, make_batch, run
from support.pool_probe_service import LOADER, die_at_once

if TYPE_CHECKING:
    from collections.abc import Callable

# Another test may have loaded a library with native threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@every_start_method
def test_slots_ignore_an_interrupt(pool: Pool) -> None:
    outcomes = run(pool, make_batch("act", 4, interrupt=([], None)))
    assert outcomes.indices() == [0, 1, 2, 3]
    assert not outcomes.failures


def test_slots_that_are_dead_and_buried_before_they_are_watched_are_said_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def open_late(pid: int) -> int:
        time.sleep(0.1)  # in which the slot dies: nothing tells this process when it is reaped
        return pidfd_open(pid)

    pidfd_open = os.pidfd_open
    monkeypatch.setattr(supervisor, "START_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(slot_process, "run_slot", die_at_once)
    with Pool(1, loader=LOADER) as pool:
        pool.submit(make_batch("noop", 1))
        replace_pidfds(monkeypatch, open_late)
        with pytest.raises(supervisor.SlotStartError, match="exit status 9"):
            pool.poll(30)


@every_start_method
def test_slots_that_cannot_start_are_said_so(
    start_method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "START_FAILURES", 2)
    monkeypatch.setattr(supervisor, "START_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(slot_process, "run_slot", die_at_once)
    with Pool(2, start_method, loader=LOADER) as pool:
        pool.submit(make_batch("noop", 1))
        with pytest.raises(supervisor.SlotStartError, match="exit status 9"):
            collect(pool)


def test_an_unknown_start_method_is_refused() -> None:
    with pytest.raises(UsageError, match="forkserver, spawn, fork"):
        Pool(1, "thread", loader=LOADER)


def test_a_pool_without_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        Pool(0, loader=LOADER)


def test_fork_is_refused_in_a_process_that_has_threads() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with pytest.raises(UsageError, match=r"'fork'.*threads.*'forkserver'"):
            Pool(1, "fork", loader=LOADER)
    finally:
        stop.set()
        thread.join()


@every_start_method
def test_libraries_are_held_to_one_thread_unless_the_user_said_otherwise(
    make_pool: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    outcomes = run(make_pool(), make_batch("environment", 1, name="OMP_NUM_THREADS"))
    assert outcomes.values["job", 0] == [b"1"]
    assert "OMP_NUM_THREADS" not in os.environ


def test_what_the_fork_server_could_not_preload_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Pool(1, "forkserver", loader=LOADER, preload=["no_such_module"]) as pool:
        run(pool, make_batch("noop", 1))
    assert "no_such_module" in caplog.text
