"""The program whose calls an embedded worker runs; the worker's slots resemble it.

    Program (client) ─► embedded worker ─► each slot: enter

The worker itself searches for modules only where Python does by default: not beside the program,
and not in the folder in which it was started. A file there may have the name of a module that we
need, such as ``queue.py``. A slot searches there as well, after it has imported all that it needs
itself.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import Any

from msgspec import Struct

from headrace_services.permits import Permits
from headrace_worker.link.loader import import_beforehand, list_light_modules


class Program(Struct, frozen=True):
    """Where a program searches for modules, and its ``PYTHONPATH``; None if it has none."""

    path: tuple[str, ...]
    pythonpath: str | None = None

    def enter(self) -> None:
        """Make this process search for modules as the program does."""
        known = set(self.path)
        sys.path[:] = [*self.path, *(entry for entry in sys.path if entry not in known)]
        if self.pythonpath is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = self.pythonpath


def list_safe_flags() -> list[str]:
    """Return the flags of this interpreter for another one, which does not search the current
    folder.
    """
    # multiprocessing itself uses this. There is no public way to pass on -X, -W, -O and -B.
    own: Any = subprocess
    flags: list[str] = own._args_from_interpreter_flags()  # noqa: SLF001 - see above
    return flags if "-P" in flags or "-I" in flags else [*flags, "-P"]


def apply_import_path(program: Program | None, permits: Permits) -> None:
    """Make a slot search for modules where its program does, and before that in the permits'
    folders.
    """
    if program is None and not permits.paths:
        return
    # These are all that the slot may need itself. They come before anything can replace them.
    import_beforehand(list_light_modules(permits))
    if program is not None:
        program.enter()
    # They go first, like the folder of a program that Python runs.
    sys.path[:0] = permits.paths
    importlib.invalidate_caches()
