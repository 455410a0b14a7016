"""Detects whether the kernel's out-of-memory killer acted in this process's control group."""

from __future__ import annotations

import re
from pathlib import Path

from headrace_wire.system import cgroup


class OomWatch:
    """Counts the kernel's ``oom_kill`` events (v1 ``memory.oom_control``, v2 ``memory.events``).

    The kernel counts a victim of any out-of-memory kill in its group before it is dead, so that the
    cause of a death is known as soon as the death is noticed. Not thread-safe.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._file: Path | None = None
        for version, folder in cgroup.find_folders("memory", root):
            file = folder / ("memory.oom_control" if version == 1 else "memory.events")
            if _read_kills(file) is not None:
                self._file = file
                break
        self._seen = self._count()

    def claim(self) -> bool:
        """Return whether there was a kill that no earlier call claimed. Each kill is claimed
        once.
        """
        if self._count() <= self._seen:
            return False
        self._seen += 1
        return True

    def _count(self) -> int:
        return (_read_kills(self._file) or 0) if self._file else 0


def _read_kills(file: Path) -> int | None:
    try:
        found = re.search(r"^oom_kill ([0-9]+)$", file.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
