"""Pools of the probe service, by every start method."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from support.polled_pool import Pool
from support.pool_probe_service import LOADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(params=["fork", "forkserver", "spawn"])
def start_method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_pool(start_method: str) -> Iterator[Callable[..., Pool]]:
    if start_method == "fork":  # refused beside threads, which another test may have left to end
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.name.startswith("Dummy-"):
                thread.join(10)
    pools: list[Pool] = []

    def make(slots: int = 2, **options: object) -> Pool:
        pools.append(Pool(slots, start_method, loader=LOADER, **options))  # type: ignore[arg-type]
        return pools[-1]

    yield make
    for pool in pools:
        pool.close(kill=True)
