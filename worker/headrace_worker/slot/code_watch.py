"""Detects that a user's module has changed on disk since a slot has loaded it.

Such a slot exits before it runs anything more, and a new slot loads the new code. Only modules that
the worker's owner allows are watched, and modules in the folders that are named with them.
"""

from __future__ import annotations

import os
import sys

from headrace_services.permits import EVERYTHING, Permits

#: Seconds between two checks, so that short tasks are not delayed.
LOOK_SECONDS = 0.05


class CodeWatch:
    """Watches modules. Not thread-safe. An embedded worker, which runs one program, watches
    nothing.
    """

    def __init__(self, permits: Permits) -> None:
        self._permits = permits
        self._by_name = {name.partition(":")[0] for name in permits.allow if ":" in name}
        self._folders = tuple(os.path.join(path, "") for path in permits.paths)  # noqa: PTH118 - as given
        self._active = bool(permits.allow or permits.paths) and EVERYTHING not in permits.allow
        self._modules = 0
        self._known: dict[str, tuple[int, int, int]] = {}
        self._looked_seconds = 0.0

    def note(self) -> None:
        """Record the state of the files of modules that were loaded since the last call."""
        if not self._active or len(sys.modules) == self._modules:
            return
        self._modules = len(sys.modules)
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str) and path not in self._known and self._is_watched(name, path):
                found = _look(path)
                if found is not None:
                    self._known[path] = found

    def has_changed(self, now_seconds: float) -> bool:
        """Return whether one of these files has changed. One that is missing may come back."""
        if not self._known or now_seconds - self._looked_seconds < LOOK_SECONDS:
            return False
        self._looked_seconds = now_seconds
        return any(_look(path) not in (known, None) for path, known in self._known.items())

    def _is_watched(self, name: str, path: str) -> bool:
        return (
            name in self._by_name
            or self._permits.allows_module(name)
            or path.startswith(self._folders)
        )


def _look(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - this is done often
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
