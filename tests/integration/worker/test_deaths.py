"""Why a slot died is known, also when its fork server cannot tell."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, cast

import psutil
import pytest

from headrace_worker.launch.orphans import adopt_orphans
from headrace_worker.pool import slot_process
from support.pidfds import hide_pidfds
from support.polled_pool import Pool
from support.pool_driver import Outcomes, collect, make_batch, run, warm_up
from support.pool_probe_service import LOADER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["pidfds", "threads"])
def watching(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the pool learns that slots have died: by pidfds, or as where the system has none."""
    if request.param == "threads":
        hide_pidfds(monkeypatch)
    return str(request.param)


@pytest.fixture
def pool(watching: str) -> Iterator[Pool]:
    adopt_orphans()
    try:
        with Pool(1, loader=LOADER) as pool:
            yield pool
    finally:
        adopt_orphans(on=False)


def find_server(pool: Pool) -> psutil.Process:
    launcher = cast("Any", pool._supervisor).launcher
    return psutil.Process(launcher._process.pid)


def begin_to_die(pool: Pool, tmp_path: Path) -> Path:
    """Let a task wait for a file, at whose sight it dies; gives the file."""
    started, release = tmp_path / "started", tmp_path / "release"
    steps = {"mark": str(started), "wait": str(release), "segfault": None}
    pool.submit(make_batch(acts={name: ([], argument) for name, argument in steps.items()}))
    collect(pool, until=started.exists)
    return release


def tell_signals(outcomes: Outcomes) -> list[str]:
    return [failed.signal for failed in outcomes.failed()]


def test_a_slot_that_outlived_its_fork_server_says_why_it_died(pool: Pool, tmp_path: Path) -> None:
    release = begin_to_die(pool, tmp_path)
    server = find_server(pool)
    server.kill()
    release.touch()
    assert tell_signals(collect(pool)) == ["SIGSEGV"]
    assert run(pool, make_batch(job="next")).indices("next") == [0]


def test_the_end_of_a_fork_server_is_logged_at_once(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    warm_up(pool)
    for _ in range(2):
        server = find_server(pool)
        server.kill()
        while not caplog.messages:
            pool.poll(0.05)
        how = "was killed by SIGKILL; another one is started for the next slot"
        assert caplog.messages == [f"the fork server (process {server.pid}) {how}"]
        os.kill(pool.stats()[0].pid, signal.SIGKILL)
        run(pool, make_batch())
        while len(caplog.messages) < 2:
            pool.poll(0.05)
        assert "is replaced" in caplog.messages[1]
        assert len(caplog.messages) == 2
        while find_server(pool).pid == server.pid:
            pool.poll(0.05)
        caplog.clear()


def test_a_slot_whose_fork_server_is_frozen_says_why_it_died(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watching: str
) -> None:
    if watching == "threads":
        pytest.skip("nobody but the fork server is told of the end of a slot")
    monkeypatch.setattr(slot_process, "STATUS_SECONDS", 0.1)
    release = begin_to_die(pool, tmp_path)
    find_server(pool).suspend()
    release.touch()
    assert tell_signals(collect(pool)) == ["SIGSEGV"]
    assert run(pool, make_batch(job="next")).indices("next") == [0]


def test_a_slot_that_died_just_before_its_fork_server_says_why(pool: Pool, tmp_path: Path) -> None:
    release = begin_to_die(pool, tmp_path)
    (slot,) = [psutil.Process(slot.pid) for slot in pool.stats()]
    server = find_server(pool)
    server.suspend()
    release.touch()
    while slot.status() != psutil.STATUS_ZOMBIE:
        os.sched_yield()
    server.kill()
    assert tell_signals(collect(pool)) == ["SIGSEGV"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_an_orphan_that_is_killed_says_by_what(
    pool: Pool, tmp_path: Path, number: signal.Signals
) -> None:
    begin_to_die(pool, tmp_path)
    (slot,) = pool.stats()
    server = find_server(pool)
    server.kill()
    os.kill(slot.pid, number)
    assert tell_signals(collect(pool)) == [number.name]


def test_what_a_task_leaves_behind_does_not_stay_as_a_zombie(pool: Pool) -> None:
    run(pool, make_batch(tasks=3, acts={"leave a child": ([], None), "os._exit": ([], 3)}))
    server = find_server(pool)
    run(pool, make_batch(acts={"os._exit": ([], 3)}))
    zombies = [child for child in server.children() if child.status() == psutil.STATUS_ZOMBIE]
    assert not zombies


@pytest.mark.parametrize(
    ("noise", "watching"),
    [
        (b"\x00" * 8 + b"noise" * 9, "pidfds"),
        (b"\xff" * 64, "threads"),
        (b"\x00" * 7 + b"\x01\x07", "pidfds"),
    ],
    indirect=["watching"],
)
def test_a_task_that_writes_to_its_slots_socket_is_charged_alone(pool: Pool, noise: bytes) -> None:
    batch = make_batch(tasks=3, acts={"write to every socket": ([1], noise), "sleep": ([1], 60)})
    outcomes = run(pool, batch)
    assert [(failed.index, failed.reason) for failed in outcomes.failed()] == [(1, "crash")]
    assert "the slot's socket" in outcomes.failed()[0].message
    assert outcomes.indices() == [0, 1, 2]


@pytest.mark.parametrize(
    ("acts", "watching"),
    [
        ({"close descriptors": ([2], 3)}, "pidfds"),
        ({"close descriptors": ([2], 0)}, "threads"),
        ({"close descriptors": ([2], 3), "raise": ([2], "and more")}, "pidfds"),
        ({"close descriptors": ([2], 3), "sleep": ([2], 3600)}, "pidfds"),
        ({"close descriptors": ([2], 3), "sleep": ([2], 3600)}, "threads"),
        ({"take descriptors": ([2], None), "sleep": ([2], 0.1)}, "pidfds"),
    ],
    indirect=["watching"],
)
def test_a_task_that_closes_its_slots_descriptors_is_charged_alone_and_at_once(
    capfd: pytest.CaptureFixture[str], pool: Pool, acts: dict[str, Any], tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    outcomes = run(pool, make_batch(tasks=5, acts={"mark": ([2], str(marks)), **acts}))
    (failed,) = outcomes.failed()
    assert (failed.index, failed.reason) == (2, "crash")
    assert "closed file descriptors that are its slot's own" in failed.message
    assert outcomes.indices() == [0, 1, 2, 3, 4]
    assert len(marks.read_text().splitlines()) == 1, "it ran once"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("act", "watching"), [("hold", "pidfds"), ("hold and raise", "threads")], indirect=["watching"]
)
def test_a_slot_keeps_nothing_of_a_task_that_is_over(pool: Pool, tmp_path: Path, act: str) -> None:
    let_go = tmp_path / "let go"
    run(pool, make_batch(acts={act: ([], str(let_go))}))
    collect(pool, until=let_go.exists)


@pytest.mark.parametrize("watching", ["pidfds"], indirect=True)
def test_the_end_of_a_terminal_is_for_the_agent_to_judge(pool: Pool) -> None:
    outcomes = run(pool, make_batch(tasks=2, kill=([0], int(signal.SIGHUP))))
    assert outcomes.indices() == [0, 1]
    assert not outcomes.failures
