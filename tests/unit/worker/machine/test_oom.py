from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace_worker.machine.oom import OomWatch

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["v1", "v2"])
def counter(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The file in which the kernel counts, for a process in the group /box."""
    membership = tmp_path / "proc/self/cgroup"
    membership.parent.mkdir(parents=True)
    mount = tmp_path / "sys/fs/cgroup"
    if request.param == "v1":
        membership.write_text("7:memory:/box\n")
        file = mount / "memory/box/memory.oom_control"
    else:
        membership.write_text("0::/box\n")
        file = mount / "box/memory.events"
    file.parent.mkdir(parents=True)
    if request.param == "v2":
        (mount / "cgroup.controllers").write_text("memory\n")
    return file


def write(counter: Path, kills: int) -> None:
    if counter.name == "memory.events":
        counter.write_text(f"low 0\nhigh 0\nmax 9\noom 3\noom_kill {kills}\n")
    else:
        counter.write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n")


def test_kills_from_before_are_nobodys(counter: Path, tmp_path: Path) -> None:
    write(counter, 5)
    assert not OomWatch(tmp_path).claim()


def test_each_kill_is_claimed_once(counter: Path, tmp_path: Path) -> None:
    write(counter, 5)
    watch = OomWatch(tmp_path)
    write(counter, 7)
    assert [watch.claim() for _ in range(3)] == [True, True, False]


def test_without_a_counter_there_is_never_a_kill(tmp_path: Path) -> None:
    assert not OomWatch(tmp_path).claim()


def test_a_counter_that_vanishes_counts_nothing(counter: Path, tmp_path: Path) -> None:
    write(counter, 5)
    watch = OomWatch(tmp_path)
    counter.unlink()
    assert not watch.claim()
