"""How the end of a child process is learnt, by pidfds and where the system has none."""

from __future__ import annotations

import errno
import os
import select
from typing import TYPE_CHECKING

import pytest

from headrace_worker.launch import exit_watch
from support.pidfds import hide_pidfds, replace_pidfds
from support.polled_pool import Pool
from support.pool_driver import attend, every_start_method, make_batch, run
from support.pool_probe_service import LOADER

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture
def no_pidfds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    number = errno.EPERM if request.param == "forbidden" else errno.ENOSYS

    def refuse(pid: int) -> int:
        raise OSError(number, os.strerror(number))

    if request.param == "unknown to Python":
        hide_pidfds(monkeypatch)
    else:
        replace_pidfds(monkeypatch, refuse)


# Once it is known that there are none, it does not matter why.
@pytest.mark.parametrize(
    ("no_pidfds", "start_method"),
    [
        ("unknown to Python", "forkserver"),
        ("unknown to the kernel", "fork"),
        ("forbidden", "spawn"),
    ],
    indirect=True,
)
@pytest.mark.usefixtures("no_pidfds")
def test_a_pool_without_pidfds_loses_nothing(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool()
    assert all(isinstance(one.exit, exit_watch.JoinWatch) for one in pool._supervisor.slots)
    batch = make_batch(
        tasks=8, timeout_seconds=3, acts={"sleep": ([1], 60), "os._exit": ([2, 5], 3)}
    )
    outcomes = attend(pool, batch)
    assert outcomes.indices() == list(range(8))
    failed = {one.index: (one.reason, one.signal) for one in outcomes.failed()}
    assert failed == {1: ("timeout", "SIGKILL"), 2: ("crash", ""), 5: ("crash", "")}
    assert run(pool, make_batch("noop", 100, job="next")).indices("next") == list(range(100))


def test_a_system_that_is_out_of_descriptors_has_pidfds_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(pid: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with Pool(1, "spawn", loader=LOADER) as pool:
        (slot,) = pool._supervisor.slots
        replace_pidfds(monkeypatch, refuse)
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            exit_watch.watch_exit(slot._process)


@every_start_method
def test_a_thread_that_joins_tells_the_end(
    make_pool: Callable[..., Pool],
) -> None:
    pool = make_pool(1)
    (slot,) = pool._supervisor.slots
    watch = exit_watch.JoinWatch(slot._process)
    poll = select.poll()
    poll.register(watch.fileno(), select.POLLIN)
    assert not poll.poll(0)
    watch.kill()
    assert poll.poll(30_000)
    watch.join(30.0)
    watch.close()
