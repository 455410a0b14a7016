from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace_worker.machine.cores import Cores, count_usable_cores, parse_slots


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty-four cores, of which this process may use eight."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def lay_v1(root: Path, group: str, quota_us: int, *, folder: str = "cpu") -> None:
    path = root / "sys/fs/cgroup" / folder / group.strip("/")
    path.mkdir(parents=True, exist_ok=True)
    (path / "cpu.cfs_quota_us").write_text(f"{quota_us}\n")
    (path / "cpu.cfs_period_us").write_text("100000\n")


def lay_v2(root: Path, group: str, maximum: str) -> None:
    mount = root / "sys/fs/cgroup"
    path = mount / group.strip("/")
    path.mkdir(parents=True, exist_ok=True)
    (mount / "cgroup.controllers").write_text("cpu memory\n")
    (path / "cpu.max").write_text(f"{maximum}\n")


def lay_membership(root: Path, *lines: str) -> None:
    path = root / "proc/self/cgroup"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def test_without_cgroups_affinity_decides(tmp_path: Path) -> None:
    assert count_usable_cores(tmp_path) == Cores(8, "affinity to 8 of 64 cores")


def test_without_any_limit_the_host_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert count_usable_cores(tmp_path) == Cores(64, "64 cores")


@pytest.mark.parametrize(
    ("quota_us", "expected"),
    [
        (150_000, Cores(1.5, "cgroup v1 quota 1.5 CPUs")),
        (50_000, Cores(0.5, "cgroup v1 quota 0.5 CPUs")),
        (100_000, Cores(1, "cgroup v1 quota 1 CPU")),
        (790_000, Cores(7.9, "cgroup v1 quota 7.9 CPUs")),
        (800_000, Cores(8, "affinity to 8 of 64 cores")),
        (6_400_000, Cores(8, "affinity to 8 of 64 cores")),
        (-1, Cores(8, "affinity to 8 of 64 cores")),
    ],
)
def test_a_v1_quota_decides_if_it_is_less(tmp_path: Path, quota_us: int, expected: Cores) -> None:
    lay_membership(tmp_path, "4:memory:/", "1:cpu:/jobs")
    lay_v1(tmp_path, "jobs", quota_us)
    assert count_usable_cores(tmp_path) == expected


@pytest.mark.parametrize(
    ("maximum", "expected"),
    [
        ("150000 100000", Cores(1.5, "cgroup v2 quota 1.5 CPUs")),
        ("10000 50000", Cores(0.2, "cgroup v2 quota 0.2 CPUs")),
        ("max 100000", Cores(8, "affinity to 8 of 64 cores")),
    ],
)
def test_a_v2_quota_decides_if_it_is_less(tmp_path: Path, maximum: str, expected: Cores) -> None:
    lay_membership(tmp_path, "0::/jobs")
    lay_v2(tmp_path, "jobs", maximum)
    assert count_usable_cores(tmp_path) == expected


@pytest.mark.parametrize(
    ("cpus", "count"),
    [(0.01, 1), (0.5, 1), (1.0, 1), (1.0005, 1), (1.5, 2), (2.0, 2), (7.9, 8)],
)
def test_a_part_of_a_core_counts_as_one(cpus: float, count: int) -> None:
    assert Cores(cpus, "").count == count


def test_the_tightest_of_all_levels_counts(tmp_path: Path) -> None:
    lay_membership(tmp_path, "0::/a/b/c")
    lay_v2(tmp_path, "a/b/c", "max 100000")
    lay_v2(tmp_path, "a/b", "200000 100000")
    lay_v2(tmp_path, "a", "500000 100000")
    assert count_usable_cores(tmp_path) == Cores(2, "cgroup v2 quota 2 CPUs")


def test_a_hybrid_hierarchy_has_its_quota_in_v1(tmp_path: Path) -> None:
    lay_membership(tmp_path, "2:cpu,cpuacct:/box", "0::/box")
    lay_v1(tmp_path, "box", 300_000, folder="cpu,cpuacct")
    unified = tmp_path / "sys/fs/cgroup/unified/box"
    unified.mkdir(parents=True)
    (unified.parent / "cgroup.controllers").write_text("\n")
    assert count_usable_cores(tmp_path) == Cores(3, "cgroup v1 quota 3 CPUs")


def test_a_container_that_names_its_group_as_the_host_does_finds_its_quota(tmp_path: Path) -> None:
    """Without a cgroup namespace the path is the host's, and the mount shows only its end."""
    lay_membership(tmp_path, "1:cpu:/docker/0123abcd/inner")
    lay_v1(tmp_path, "", 250_000)
    lay_v1(tmp_path, "inner", -1)
    assert count_usable_cores(tmp_path) == Cores(2.5, "cgroup v1 quota 2.5 CPUs")


def test_a_malformed_quota_is_no_quota(tmp_path: Path) -> None:
    lay_membership(tmp_path, "0::/")
    lay_v2(tmp_path, "", "nonsense")
    assert count_usable_cores(tmp_path).count == 8


@pytest.mark.parametrize(
    ("text", "slots"),
    [("auto", 6), (" AUTO ", 6), ("1", 1), ("12", 12), ("1x", 6), ("2x", 12), ("3X", 18)],
)
def test_slots_are_a_number_or_a_multiple_of_the_cores(text: str, slots: int) -> None:
    assert parse_slots(text, Cores(6, "")) == slots


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "x", "0x", "1.5", "two", "2xx", "1e3", "99999", "9999x", "٣"]
)
def test_nonsense_for_slots_is_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(ValueError, match="'auto'"):
        parse_slots(text, Cores(6, ""))
