"""Where a file really is: which links its path follows, under which other paths it can be reached,
and who may change it.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from headrace_wire.permissions import may_use
from headrace_wire.system.users import find_user

#: More links than the system follows in one path.
_MOST_LINKS = 40

#: The list of what is mounted where, for this process (proc(5)).
_MOUNTS = Path("/proc/self/mountinfo")


def follow(path: str) -> tuple[str, list[str]]:
    """Return where an absolute path leads, and the folders of the links on the way. Raises
    OSError.
    """
    links: list[str] = []
    steps = _split(path)
    place = "/"
    while steps:
        step = steps.pop(0)
        if step == "..":
            place = os.path.dirname(place)  # noqa: PTH120 - text
            continue
        entry = f"{place.rstrip('/')}/{step}"
        if not os.path.islink(entry):  # noqa: PTH114 - text
            place = entry
            continue
        if len(links) == _MOST_LINKS:
            raise OSError(f"{path} leads through too many links")
        links.append(place)
        goal = os.readlink(entry)  # noqa: PTH115 - text
        if goal.startswith("/"):
            place = "/"
        steps[:0] = _split(goal)
    return place, links


def may_change(path: str) -> bool:
    """Return whether this user may change a file or the entries of a folder, or may obtain the
    right.
    """
    if may_use(path, os.W_OK):
        return True
    try:
        is_own = os.stat(path).st_uid == find_user()  # noqa: PTH116 - text
        if not is_own or sys.platform == "win32":
            return is_own
        return not os.statvfs(path).f_flag & os.ST_RDONLY
    except OSError:
        return False


def find_changeable(path: str) -> str:
    """Return what this user may change: a file or folder itself, or a folder above it in which it
    could be replaced. "" if there is none.
    """
    if may_change(path):
        return path
    for above in Path(path).parents:
        if may_change(str(above)) and not _keeps_others(above):
            return str(above)
    return ""


def _keeps_others(folder: Path) -> bool:
    """Return whether users cannot replace each other's files in a folder, as in /tmp."""
    status = folder.stat()
    return bool(status.st_mode & stat.S_ISVTX) and status.st_uid != find_user()


def find_aliases(path: str, mounts: str | None = None) -> set[str]:
    """Return other paths of the same file or folder, or of its contents, which exist because of
    mounts.
    """
    text = _read_mounts() if mounts is None else mounts
    known = [_read_mount(line.split(" ")) for line in text.splitlines()]
    holding = [one for one in known if _lies_in(path, one[2])]
    if not holding:
        return set()
    device, root, point = max(holding, key=lambda one: len(one[2]))
    inner = _join(root, _cut(path, point))
    return set(_find(inner, device, known)) - {path}


def _find(inner: str, device: str, known: list[tuple[str, str, str]]) -> Iterator[str]:
    for other, root, point in known:
        if other != device:
            continue
        if _lies_in(inner, root):
            yield _join(point, _cut(inner, root))
        elif _lies_in(root, inner):
            yield point


def _read_mounts() -> str:
    try:
        return _MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return ""


def _read_mount(fields: list[str]) -> tuple[str, str, str]:
    """Return the device, the folder of it that is mounted, and the mount point."""
    _, _, device, root, point, *_ = fields
    return device, _unescape(root), _unescape(point)


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _split(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _cut(path: str, folder: str) -> str:
    return path[len(folder.rstrip("/")) :]


def _join(folder: str, rest: str) -> str:
    return (folder.rstrip("/") + rest) or "/"
