"""What is installed: as importlib.metadata tells it, without what that imports.

``importlib.metadata`` comes with mail headers, archives and CSV, which is most of what an idle
process of ours would import. All that is asked here is in two small files of each distribution.
Where distributions may be elsewhere than in folders, importlib.metadata is asked after all.

What a folder announces is read once, until something is installed there or taken away. So slots,
which are forked, know what the worker has read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

#: Signs that are all the same in the name of a distribution.
_SEPARATORS = str.maketrans("-.", "__")


def find_version(name: str) -> str | None:
    """The version of an installed distribution; None for one that is not installed."""
    if not _are_all_in_folders():
        from importlib import metadata  # noqa: PLC0415 - see above

        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None
    wanted = _normalize(name)
    for folder in (folder for place in sys.path for folder in _list_folders(place)):
        if _normalize(_name_of(folder)) == wanted:
            for line in _read(folder, "METADATA") or _read(folder, "PKG-INFO"):
                word, _, version = line.partition(":")
                if word == "Version":
                    return version.strip()
    return None


def list_entry_points(group: str) -> dict[str, str]:
    """What distributions announce in a group: ``module:attribute`` by name."""
    if not _are_all_in_folders():
        from importlib import metadata  # noqa: PLC0415 - see above

        return {entry.name: entry.value for entry in metadata.entry_points(group=group)}
    found: dict[str, str] = {}
    seen: set[str] = set()
    for place in sys.path:
        announced = _read_announced(place, _find_change(place), group)
        for name, entries in announced.items():
            # Of two versions, the one in front is the one that is imported.
            if name not in seen:
                found = {**entries, **found}
        seen.update(announced)
    return found


@cache
def _read_announced(place: str, change: int, group: str) -> dict[str, dict[str, str]]:
    """What the distributions in a folder announce in a group, for each of them."""
    del change  # another time of change is another call
    announced: dict[str, dict[str, str]] = {}
    for folder in _list_folders(place):
        announced.setdefault(_normalize(_name_of(folder)), _read_entry_points(folder, group))
    return announced


def _read_entry_points(folder: Path, group: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    section = ""
    for line in map(str.strip, _read(folder, "entry_points.txt")):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == group and "=" in line and not line.startswith(("#", ";")):
            word, _, value = line.partition("=")
            entries.setdefault(word.strip(), value.partition("[")[0].strip())
    return entries


def _find_change(place: str) -> int:
    """When a folder was last changed, in nanoseconds; 0 where there is none."""
    try:
        return os.stat(place or os.curdir).st_mtime_ns  # noqa: PTH116 - as below
    except OSError:
        return 0


def _are_all_in_folders() -> bool:
    # Python's own finder looks into folders and archives; others may know of more.
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    return len(finders) < 2 and all(
        place.is_dir() or not place.exists() for place in map(Path, sys.path)
    )


def _list_folders(place: str) -> Iterator[Path]:
    try:
        names = os.listdir(place or os.curdir)  # noqa: PTH208 - thousands of names, few folders
    except OSError:
        return
    for name in names:
        if name.endswith((".dist-info", ".egg-info")):
            yield Path(place, name)


def _name_of(folder: Path) -> str:
    return folder.stem.partition("-")[0]


def _normalize(name: str) -> str:
    return "_".join(part for part in name.translate(_SEPARATORS).lower().split("_") if part)


def _read(folder: Path, name: str) -> list[str]:
    try:
        return (folder / name).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
