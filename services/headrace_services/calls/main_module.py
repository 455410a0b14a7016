"""Loads the main program of a client in the slots of its own embedded worker.

As with the standard library's ``spawn``, the file is run once in each slot under the name
``__mp_main__``, so that functions, classes and globals of the program are found there by reference,
and what an initializer sets is visible to the calls that follow. This uses
``multiprocessing.spawn``, whose function for this is not documented, but used by the library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from multiprocessing import current_process, spawn
from typing import TYPE_CHECKING, Any

from headrace_wire.system.folders import find_present_folder

if TYPE_CHECKING:
    from headrace_services.calls.main_names import MainNames

#: The parts of a program's preparation data that a slot needs. The key is for proxies of the
#: program's own ``multiprocessing`` managers among the arguments, which connect when they are
#: unpickled.
KEYS = ("init_main_from_name", "init_main_from_path", "sys_argv", "dir", "authkey")

#: Whether a program is being loaded now, during which it must not start pools of its own.
_loading = False

_loaded: dict[str, str] = {}

_names: dict[str, MainNames] = {}


def describe_main() -> dict[str, object] | None:
    """Return what a slot needs to load this program; None if it has no file, or not its own."""
    # This is what spawn.get_preparation_data does, which requires the current folder, and a program
    # with a __spec__: the folder may have been removed, and a debugger's program has no __spec__.
    spawning: Any = spawn
    spawning._check_not_importing_main()  # noqa: SLF001 - see above
    main = sys.modules["__main__"]
    name: str | None = getattr(getattr(main, "__spec__", None), "name", None)
    path: str | None = None if name is not None else getattr(main, "__file__", None)
    if name is None and path is None:
        return None
    if path is not None:
        start: str | None = spawning.process.ORIGINAL_DIR
        path = os.path.normpath(os.path.join(start or "", path))  # noqa: PTH118 - as given
    if name is not None and (name == "__main__" or name.endswith(".__main__")):
        return None
    if path is not None and (not os.path.isfile(path) or sys.flags.interactive):  # noqa: PTH113 - as given
        return None
    values = (name, path, sys.argv, find_present_folder(), bytes(current_process().authkey))
    return {key: value for key, value in zip(KEYS, values, strict=True) if value is not None}


def shares_main(parameters: Mapping[str, object]) -> bool:
    """Return whether the client's main module is loaded in the slots of its job."""
    is_pickled = parameters.get("serializer") == "cloudpickle"
    return is_pickled and isinstance(parameters.get("main"), dict)


def load_main(described: Mapping[str, object]) -> None:
    """Load a client's program in this process, once. Raises what it raises."""
    global _loading  # noqa: PLW0603 - a process has one main program
    key = repr(sorted(described.items()))
    if _loaded.get("main") == key:
        return
    folder = described.get("dir")
    known = {key: value for key, value in described.items() if key in KEYS}
    if isinstance(folder, str) and not os.path.isdir(folder):  # noqa: PTH112 - as given
        known.pop("dir")
    _loading = True
    try:
        spawn.prepare(known)
    finally:
        _loading = False
    _loaded["main"] = key
    _names.clear()


def find_names() -> MainNames:
    """Return the names that the main module has both in this program and in its slots."""
    names = _names.get("main")
    if names is None:
        from headrace_services.calls.main_names import (  # noqa: PLC0415 - takes a while to import
            ALL_NAMES,
            read_main_names,
        )

        # A slot runs the program's file, so the program has all names of a slot.
        names = ALL_NAMES if _loaded else read_main_names(sys.modules["__main__"])
        _names["main"] = names
    return names


def refuse_while_loading() -> None:
    """Raise RuntimeError if a program starts a pool while it is being loaded for one."""
    if _loading:
        raise RuntimeError(
            "this program starts a pool whenever it is loaded, and it is loaded in each process of "
            'the pool: put what is to run once under `if __name__ == "__main__":`'
        )
