"""Processes are killed under a pool's calls: each has its result all the same, and has it once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from headrace import Pool
from support.commands import Site, wait_until

#: What each of the pool's users does before it stops.
CALLS = 200
STREAMED = 10_000


class Users:
    """Threads that use one pool: one streams, two call and wait."""

    def __init__(self, site: Site) -> None:
        self.pool = Pool(site.address, key_file=site.data / "key")
        self.streamed: list[int] = []
        self.called: list[list[int]] = [[], []]
        self._some = threading.Semaphore(0)
        works: list[Callable[[], None]] = [
            self._stream, lambda: self._call(0), lambda: self._call(1)
        ]  # fmt: skip
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def wait_for_some(self, calls: int) -> None:
        for _ in range(calls):
            assert self._some.acquire(timeout=30), "no call came back"

    def finish(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        assert sorted(self.streamed) == list(range(STREAMED))
        for number, called in enumerate(self.called):
            assert called == [number * CALLS + index for index in range(CALLS)]

    def _stream(self) -> None:
        results = self.pool.imap_unordered("operator:neg", range(0, -STREAMED, -1))
        self.streamed.extend(results)

    def _call(self, number: int) -> None:
        for index in range(CALLS):
            value = -(number * CALLS + index)
            self.called[number].append(self.pool.apply("operator:neg", (value,)))
            self._some.release()


@pytest.fixture
def users(own_site: Site) -> Iterator[Users]:
    own_site.add_worker("--slots", "2", "--name", "calls", "--allow", "operator:neg")
    made = Users(own_site)
    yield made
    made.pool.terminate()


def test_calls_outlive_the_coordinator(own_site: Site, users: Users) -> None:
    for _ in range(3):
        users.wait_for_some(60)
        own_site.coordinator.kill()
        own_site.restart_coordinator()
    users.finish()


def test_a_pool_says_soon_that_its_coordinator_is_away_and_that_it_is_back(
    own_site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    own_site.add_worker("--slots", "1", "--allow", "time:sleep")
    with Pool(own_site.address, key_file=own_site.data / "key") as pool:
        result = pool.apply_async("time:sleep", (6,))
        with own_site.open_cluster() as cluster:
            wait_until(lambda: cluster.overview().leased)
        for _ in range(2):
            own_site.coordinator.kill()
            killed = time.monotonic()
            wait_until(lambda: len(caplog.messages) % 2 == 1)
            assert time.monotonic() - killed < 10
            own_site.restart_coordinator()
            wait_until(lambda: len(caplog.messages) % 2 == 0)
        assert result.get(60) is None
    assert caplog.messages[1::2] == ["headrace: the coordinator answers again"] * 2
    for line in caplog.messages[::2]:
        # The latter if a connection was closed before its end was noticed, and cannot be opened.
        assert line.startswith(
            (
                f"headrace: the coordinator at {own_site.address} went away (",
                f"headrace: no coordinator answers at {own_site.address} (",
            )
        )
        assert line.endswith("); trying to reconnect for 10 min")
    assert len(caplog.messages) == 4


def test_calls_outlive_their_worker(own_site: Site, users: Users) -> None:
    users.wait_for_some(60)
    own_site.workers[-1].kill()
    own_site.add_worker("--slots", "2", "--name", "next", "--allow", "operator:neg")
    users.finish()
