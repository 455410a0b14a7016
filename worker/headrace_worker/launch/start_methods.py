"""The ways in which this system can start slots."""

from __future__ import annotations

import multiprocessing
import sys

from headrace_wire.forking import HAS_FORK

#: Whether there can be a fork server of ours: it takes descriptors through a socket that keeps
#: messages apart, and asks how its children ended without burying them, as Linux alone lets it.
HAS_FORK_SERVER = sys.platform == "linux" and HAS_FORK

#: All ways that there are anywhere.
KNOWN_METHODS = ("forkserver", "spawn", "fork")


def _list_methods() -> tuple[str, ...]:
    here = {"spawn"}
    if HAS_FORK_SERVER:
        here.add("forkserver")
    if HAS_FORK and "fork" in multiprocessing.get_all_start_methods():
        here.add("fork")
    return tuple(method for method in KNOWN_METHODS if method in here)


#: What may be asked for here; the first is the default.
START_METHODS = _list_methods()
DEFAULT_METHOD = START_METHODS[0]
