"""Pools of the probe service, by the start method that a test is marked with.

What a slot does once it runs is the same however it was started: that is tested with the default
start method, and all such tests share one fork server. How slots start and end, what they inherit
and how their end is learnt depends on the method: see ``every_start_method``.
"""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from headrace_worker.launch.choosing import make_launcher
from headrace_worker.launch.exit_watch import Child
from headrace_worker.launch.launcher import Launcher
from headrace_worker.launch.order import Target
from headrace_worker.launch.start_methods import DEFAULT_METHOD
from headrace_worker.link.cell import Cell
from headrace_worker.link.loader import CALL_MODULES
from headrace_worker.slot.slot import SlotSettings
from support.polled_pool import Pool
from support.pool_probe_service import LOADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class LauncherOfAll(Launcher):
    """A launcher that pools do not close: the system's usual one."""

    def __init__(self, preload: tuple[str, ...]) -> None:
        self._launcher = make_launcher(DEFAULT_METHOD, preload)
        super().__init__(self._launcher.start_method, self._launcher.preload)

    def start(
        self, target: Target, link: socket.socket, cell: Cell, settings: SlotSettings, name: str
    ) -> Child:
        return self._launcher.start(target, link, cell, settings, name)

    def end(self) -> None:
        self._launcher.close()


@pytest.fixture(scope="session")
def launcher_of_all() -> Iterator[Launcher]:
    launcher = LauncherOfAll((LOADER.partition(":")[0], *CALL_MODULES))
    yield launcher
    launcher.end()


@pytest.fixture
def start_method(request: pytest.FixtureRequest) -> str:
    """The method that the test is marked with; nothing where the launcher of all will do."""
    return str(getattr(request, "param", ""))


@pytest.fixture
def make_pool(start_method: str, launcher_of_all: Launcher) -> Iterator[Callable[..., Pool]]:
    if start_method == "fork":  # refused beside threads, which another test may have left to end
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.name.startswith("Dummy-"):
                thread.join(30)
    pools: list[Pool] = []

    def make(slots: int = 2, **options: Any) -> Pool:
        pools.append(Pool(slots, start_method or launcher_of_all, **{"loader": LOADER, **options}))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close(kill=True)


@pytest.fixture
def pool(make_pool: Callable[..., Pool]) -> Pool:
    return make_pool()
