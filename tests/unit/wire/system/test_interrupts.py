"""Waits that a signal ends, also where it wakes nobody."""

from __future__ import annotations

import threading
from itertools import islice
from queue import SimpleQueue

import pytest

from headrace_wire.system import interrupts
from headrace_wire.system.interrupts import acquire, divide, take


@pytest.fixture
def looking_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread looks up from its waits all the time."""
    monkeypatch.setattr(interrupts, "HEED_SECONDS", 0.001)


def test_where_signals_wake_a_wait_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "HEED_SECONDS", None)
    assert list(divide(None)) == [None]
    assert list(divide(7.0)) == [7.0]


@pytest.mark.usefixtures("looking_up")
def test_the_main_thread_waits_for_a_moment_at_a_time() -> None:
    assert list(islice(divide(None), 3)) == [0.001] * 3
    parts = list(divide(0.0))
    assert parts == [0.001], "a socket that is given 0 would not wait"
    assert all(part == 0.001 for part in divide(0.004))


@pytest.mark.usefixtures("looking_up")
def test_other_threads_wait_in_one_call() -> None:
    parts: list[float | None] = []
    other = threading.Thread(target=lambda: parts.extend(divide(None)))
    other.start()
    other.join()
    assert parts == [None]


@pytest.mark.usefixtures("looking_up")
def test_what_comes_late_is_taken_all_the_same() -> None:
    lock, bell = threading.Lock(), SimpleQueue[str]()
    with lock:
        assert not acquire(lock, 0.01)
    lock.acquire()
    threading.Timer(0.02, lock.release).start()
    assert acquire(lock)
    threading.Timer(0.02, bell.put, ("news",)).start()
    assert take(bell) == "news"
