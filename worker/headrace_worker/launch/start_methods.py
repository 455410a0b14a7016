"""The start methods for slots on this system."""

from __future__ import annotations

import multiprocessing
import sys

from headrace_wire.system.forking import HAS_FORK

#: Whether our fork server can be used. It receives descriptors through a socket that preserves
#: message boundaries, and asks how its children ended without reaping them, which only Linux
#: allows.
HAS_FORK_SERVER = sys.platform == "linux" and HAS_FORK

#: All start methods that exist on any system.
KNOWN_METHODS = ("forkserver", "spawn", "fork")


def _list_methods() -> tuple[str, ...]:
    here = {"spawn"}
    if HAS_FORK_SERVER:
        here.add("forkserver")
    if HAS_FORK and "fork" in multiprocessing.get_all_start_methods():
        here.add("fork")
    return tuple(method for method in KNOWN_METHODS if method in here)


#: The start methods that can be chosen on this system; the first is the default.
START_METHODS = _list_methods()
DEFAULT_METHOD = START_METHODS[0]
