"""The program for whose calls an embedded worker is there, as its slots are to resemble it.

    Program (client) ─► embedded worker ─► each slot: enter

The worker itself looks for modules where Python does by itself: not beside the program, nor in the
folder in which it was started. What lies there may have the name of a module that we need, such as
``queue.py``. A slot looks there, too, once it has imported all that it needs for itself.
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
    """Where a program looks for modules, and its own ``PYTHONPATH``; None where it has none."""

    path: tuple[str, ...]
    pythonpath: str | None = None

    def enter(self) -> None:
        """Make this process look for modules as the program does."""
        known = set(self.path)
        sys.path[:] = [*self.path, *(entry for entry in sys.path if entry not in known)]
        if self.pythonpath is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = self.pythonpath


def list_safe_flags() -> list[str]:
    """The flags of this interpreter for another one, which does not look in the present folder."""
    # What multiprocessing itself uses: there is no public way to pass -X, -W, -O and -B on.
    own: Any = subprocess
    flags: list[str] = own._args_from_interpreter_flags()  # noqa: SLF001 - see above
    return flags if "-P" in flags or "-I" in flags else [*flags, "-P"]


def apply_import_path(program: Program | None, permits: Permits) -> None:
    """Have a slot look for modules where its program does, and in the permits' folders before."""
    if program is None and not permits.paths:
        return
    # All that the slot may need for itself, before anything else can take its place.
    import_beforehand(list_light_modules(permits))
    if program is not None:
        program.enter()
    # In front, as Python does with the folder of a program that it runs.
    sys.path[:0] = permits.paths
    importlib.invalidate_caches()
