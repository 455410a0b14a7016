"""This program, as the slots of its embedded worker must resemble it."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import cast

from headrace_wire.system.folders import find_present_folder, is_lost
from headrace_worker.link.program import Program

#: Modules that show where our own modules and their requirements are found.
_OWN_MODULES = ("headrace", "headrace_worker", "headrace_services", "headrace_wire", "msgpack")


def describe_program() -> Program:
    """Describe this process as a program."""
    entries = cast("list[object]", sys.path)
    path = tuple(
        os.path.abspath(entry)  # noqa: PTH100 - "" is here
        for entry in entries
        if isinstance(entry, str) and not is_lost(entry)
    )
    return Program(path, os.environ.get("PYTHONPATH"))


def clean_pythonpath(value: str | None) -> str | None:
    """Remove the current folder from a ``PYTHONPATH``, unless our own modules are in it."""
    if value is None:
        return None
    here = find_present_folder()
    specs = [find_spec(name) for name in _OWN_MODULES]
    origins = [spec.origin for spec in specs if spec is not None and spec.origin]
    ours = {os.path.realpath(os.path.join(origin, "..", "..")) for origin in origins}  # noqa: PTH118 - as elsewhere here
    kept = [
        entry
        for entry in value.split(os.pathsep)
        if not is_lost(entry)
        and ((place := os.path.realpath(entry or ".")) != here or place in ours)
    ]
    return os.pathsep.join(kept) or None
