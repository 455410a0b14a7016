"""Descriptors that are watched without an event loop."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from headrace_worker.pool.watcher import SelectorWatcher


@pytest.fixture
def watcher() -> Iterator[SelectorWatcher]:
    watcher = SelectorWatcher()
    yield watcher
    watcher.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    near, far = os.pipe()
    yield near, far
    os.close(near)
    os.close(far)


def test_both_directions_of_one_descriptor_are_watched(
    watcher: SelectorWatcher, pipe: tuple[int, int]
) -> None:
    told: list[str] = []
    far = pipe[1]
    watcher.add_reader(far, told.append, "readable")
    watcher.add_writer(far, told.append, "writable")
    watcher.wait(10)
    watcher.remove_writer(far)
    watcher.wait(0)
    assert told == ["writable"]


def test_a_callback_takes_back_another(watcher: SelectorWatcher) -> None:
    pipes = [os.pipe(), os.pipe()]
    told: list[int] = []

    def hear(near: int) -> None:
        told.append(near)
        for other, _ in pipes:
            watcher.remove_reader(other)

    for near, far in pipes:
        watcher.add_reader(near, hear, near)
        os.write(far, b"x")
    watcher.wait(10)
    assert len(told) == 1
    for fds in pipes:
        for fd in fds:
            os.close(fd)


def test_what_was_never_watched_is_left_alone(
    watcher: SelectorWatcher, pipe: tuple[int, int]
) -> None:
    watcher.remove_reader(pipe[0])
    watcher.remove_writer(pipe[1])
    watcher.wait(0)
