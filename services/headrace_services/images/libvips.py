"""Loads libvips. No other module imports it, so that only processes that need it load it."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib import util
from typing import Any

#: The distribution that contains libvips. Its version is that of libvips.
_CARRIER = "pyvips-binary"


@cache
def load_libvips() -> Any:
    """Load libvips once per process, with one thread and without its cache of operations.

    There are as many slots as cores, so more threads in one slot would only compete with the other
    slots; and no picture occurs twice, so a cache would only use memory. Raises ImportError or
    OSError if pyvips or its library is missing.
    """
    import pyvips as pyvips_module  # noqa: PLC0415 -- 40 ms and 20 MB, and only slots decode pictures

    pyvips: Any = pyvips_module
    pyvips.vips_lib.vips_concurrency_set(1)
    pyvips.cache_set_max(0)
    return pyvips


def name_engine() -> str:
    """Return the name and version of the library that does the work.

    It is only loaded if it is the system's own library: an agent needs nothing but the name of its
    engines. Raises ImportError or OSError if pyvips or its library is missing.
    """
    from importlib import metadata  # noqa: PLC0415 - loads modules for mail and archives

    if util.find_spec("pyvips") and util.find_spec("_libvips"):
        with suppress(metadata.PackageNotFoundError):
            return f"libvips {metadata.version(_CARRIER)}"
    pyvips = load_libvips()
    return f"libvips {pyvips.version(0)}.{pyvips.version(1)}.{pyvips.version(2)}"
