"""Pools of the probe service, by the start method that a test is marked with.

What a slot does once it runs is the same however it was started: that is tested with the default
start method, and all such tests share one fork server. How slots start and end, what they inherit
and how their end is learnt depends on the method: see ``every_start_method``.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from headrace_worker.launch.launcher import Launcher
from headrace_worker.link.loader import CALL_MODULES, DEFAULT_LOADER
from support.polled_pool import Pool
from support.pool_probe_service import LOADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ForkServerOfAll(Launcher):
    """A launcher that pools do not close."""

    def close(self) -> None:
        pass


@pytest.fixture(scope="session")
def fork_server() -> Iterator[Launcher]:
    loaders = (DEFAULT_LOADER.partition(":")[0], LOADER.partition(":")[0])
    modules = ("headrace_worker.slot.slot", "multiprocessing.util", *loaders, *CALL_MODULES)
    launcher = ForkServerOfAll("forkserver", modules)
    yield launcher
    Launcher.close(launcher)


@pytest.fixture
def start_method(request: pytest.FixtureRequest) -> str:
    """The method that the test is marked with; nothing where the fork server of all will do."""
    return str(getattr(request, "param", ""))


@pytest.fixture
def make_pool(start_method: str, fork_server: Launcher) -> Iterator[Callable[..., Pool]]:
    if start_method == "fork":  # refused beside threads, which another test may have left to end
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.name.startswith("Dummy-"):
                thread.join(30)
    pools: list[Pool] = []

    def make(slots: int = 2, **options: Any) -> Pool:
        pools.append(Pool(slots, start_method or fork_server, **{"loader": LOADER, **options}))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close(kill=True)
