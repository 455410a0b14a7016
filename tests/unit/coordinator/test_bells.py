"""Bells: nothing that rings between a look and a wait is missed."""

from __future__ import annotations

import threading
import time

from headrace_coordinator.bells import Bells


def test_a_bell_that_rang_since_the_look_does_not_wait() -> None:
    bells = Bells()
    count = bells.count("a")
    bells.ring("a")
    assert bells.wait("a", count, time.monotonic() + 10)


def test_a_wait_ends_at_its_deadline_and_leaves_no_waiter() -> None:
    bells = Bells()
    assert not bells.wait("a", bells.count("a"), time.monotonic() + 0.01)
    assert not bells._waiters["a"]


def test_ringing_wakes_everyone_who_waits_for_that_topic_alone() -> None:
    bells = Bells()
    heard: list[str] = []

    def wait(topic: str, seconds: float) -> None:
        if bells.wait(topic, 0, time.monotonic() + seconds):
            heard.append(topic)

    threads = [
        threading.Thread(target=wait, args=arguments)
        for arguments in (("a", 10.0), ("a", 10.0), ("b", 0.2))
    ]
    for thread in threads:
        thread.start()
    bells.ring("a")
    for thread in threads:
        thread.join(10)
    assert heard == ["a", "a"]


def test_closing_wakes_all_and_lets_nobody_wait_again() -> None:
    bells = Bells()
    results: list[bool] = []
    thread = threading.Thread(
        target=lambda: results.append(bells.wait("a", 0, time.monotonic() + 10))
    )
    thread.start()
    bells.close()
    thread.join(10)
    assert results == [False]
    assert not bells.wait("a", bells.count("a"), time.monotonic() + 10)
