"""Finds this process's control group, with version 1, version 2, or both (hybrid)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headrace_wire.system.portable import PORTABLE


def find_folders(controller: str, root: Path) -> list[tuple[int, Path]]:
    """Return the folders that limit this process: ``(cgroup version, folder)``, innermost first.

    There may be a limit at any level, so each folder from the process's own up to the mount is
    returned. ``root`` is the root of the file system (tests use their own). Empty if there are no
    cgroups.
    """
    mounts = root / "sys/fs/cgroup"
    found: list[tuple[int, Path]] = []
    if PORTABLE and root == Path("/"):
        return found
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return found
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            # Hybrid systems mount version 2 beside the version 1 controllers.
            for mount in (mounts, mounts / "unified"):
                if (mount / "cgroup.controllers").exists():
                    found += [(2, folder) for folder in _climb(mount, path)]
        elif controller in controllers.split(","):
            for name in dict.fromkeys((controllers, controller)):
                if (mounts / name).is_dir():
                    found += [(1, folder) for folder in _climb(mounts / name, path)]
                    break
    return found


def _climb(mount: Path, path: str) -> Iterator[Path]:
    parts = [part for part in path.split("/") if part and part != ".."]
    # A container may name its group as the host sees it, while its mount only contains the end of
    # that path, so leading parts are removed until the folder exists.
    while parts and not mount.joinpath(*parts).is_dir():
        parts = parts[1:]
    for depth in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:depth])
