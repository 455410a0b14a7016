"""What is installed: as importlib.metadata tells it, without what that imports.

``importlib.metadata`` comes with mail headers, archives and CSV, which is most of what an idle
process of ours would import. All that is asked here is in two small files of each distribution.
Where distributions may be elsewhere than in folders, importlib.metadata is asked after all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
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
    for folder in _list_folders():
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
    for folder in _list_folders():
        # Of two versions, the one in front is the one that is imported.
        name = _normalize(_name_of(folder))
        if name in seen:
            continue
        seen.add(name)
        section = ""
        for line in map(str.strip, _read(folder, "entry_points.txt")):
            if line.startswith("["):
                section = line.strip("[]").strip()
            elif section == group and "=" in line and not line.startswith(("#", ";")):
                word, _, value = line.partition("=")
                found.setdefault(word.strip(), value.partition("[")[0].strip())
    return found


def _are_all_in_folders() -> bool:
    # Python's own finder looks into folders and archives; others may know of more.
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    return len(finders) < 2 and all(
        place.is_dir() or not place.exists() for place in map(Path, sys.path)
    )


def _list_folders() -> Iterator[Path]:
    for place in sys.path:
        try:
            names = os.listdir(place or os.curdir)  # noqa: PTH208 - thousands of names, few folders
        except OSError:
            continue
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
