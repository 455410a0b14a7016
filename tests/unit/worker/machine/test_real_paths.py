"""Where files lie: links in their paths, and other paths of the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace_worker.machine import real_paths
from headrace_worker.machine.real_paths import find_aliases, find_changeable, follow, may_change
from support.privileges import obey_modes

MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:1 / /host rw - ext4 /dev/sda1 rw
31 22 8:1 /etc/headrace /mnt/with\040space ro - ext4 /dev/sda1 rw
32 22 8:1 /etc/headrace/key /run/key ro - ext4 /dev/sda1 rw
33 22 0:40 / /data rw - tmpfs none rw
34 22 0:41 /other /etcetera rw - tmpfs none rw
""".strip()


def test_a_path_is_followed_through_every_link(tmp_path: Path) -> None:
    """As in a volume of Kubernetes, where one link is replaced to replace all files."""
    tmp_path = tmp_path.resolve()
    volume = tmp_path / "volume"
    (volume / "..2026").mkdir(parents=True)
    (volume / "..2026" / "key").touch()
    (volume / "..data").symlink_to("..2026")
    (volume / "key").symlink_to("..data/key")
    (tmp_path / "link").symlink_to(tmp_path / "volume" / ".." / "volume" / "key")
    target, links = follow(str(tmp_path / "link"))
    assert target == str(volume / "..2026" / "key")
    assert links == [str(tmp_path), str(volume), str(volume)]
    assert follow(target) == (target, [])


def test_links_without_end_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many links"):
        follow(str(tmp_path / "a"))


def test_mounts_give_a_file_other_paths() -> None:
    assert find_aliases("/etc/headrace/key", MOUNTS) == {
        "/host/etc/headrace/key",
        "/mnt/with space/key",
        "/run/key",
    }
    assert find_aliases("/etc/headrace", MOUNTS) == {
        "/host/etc/headrace",
        "/mnt/with space",
        "/run/key",
    }
    assert find_aliases("/data/key", MOUNTS) == set()
    assert find_aliases("/etcetera/key", MOUNTS) == set()
    assert find_aliases("/key", "") == set()


def test_the_mounts_of_this_machine_can_be_read() -> None:
    assert "/" not in find_aliases("/proc")


def test_who_owns_a_folder_may_change_what_is_in_it_whatever_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "own"
    folder.mkdir(mode=0o555)
    with obey_modes():
        assert may_change(str(folder))
    assert not may_change(str(tmp_path / "missing"))
    inner = folder / "inner"
    folder.chmod(0o755)
    inner.touch()
    monkeypatch.setattr(real_paths, "may_change", {str(folder)}.__contains__)
    assert find_changeable(str(inner)) == find_changeable(str(folder)) == str(folder)
    folder.chmod(0o1755)
    monkeypatch.setattr(real_paths, "find_user", lambda: -1)
    assert not find_changeable(str(inner))  # as in /tmp, where it is another user's
    monkeypatch.undo()
    folder.chmod(0o555)
    read_only = os.statvfs_result([*os.statvfs(folder)[:8], os.ST_RDONLY, 255])
    monkeypatch.setattr(os, "statvfs", lambda _: read_only)
    with obey_modes():
        assert not may_change(str(folder))
