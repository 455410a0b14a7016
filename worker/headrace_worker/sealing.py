"""Keeps a process from running any more code that this user may change.

A worker that keeps its key from tasks may be installed where tasks can write. What it has imported
before tasks run is its own; what it imports later could be theirs, and could read the key.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from headrace_worker.machine.real_paths import find_changeable

#: Modules that a worker may need later, for example when its coordinator has moved.
_NEEDED = (
    "concurrent.futures.thread",
    "encodings.idna",
    "ipaddress",
    "pwd",
    "headrace_wire.tls",
)


def seal_imports() -> None:
    """Keep this process from importing anything more from where this user may write."""
    for name in _NEEDED:
        importlib.import_module(name)
    sys.meta_path.insert(0, _Seal())


class _Seal(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find what the other finders find. Raises ImportError for a module that may have been
        changed.
        """
        for finder in sys.meta_path:
            if finder is self or (spec := finder.find_spec(name, path, target)) is None:
                continue
            if spec.origin in ("built-in", "frozen"):
                return spec
            places = [*(spec.submodule_search_locations or ())]
            if spec.origin:
                places += [os.path.dirname(spec.origin), spec.origin]  # noqa: PTH120 - text
            for place in map(find_changeable, places):
                if place:
                    raise ImportError(
                        f"tasks may have changed module {name}, in {place}", name=name
                    )
            return spec
        return None
