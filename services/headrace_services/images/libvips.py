"""The one place where libvips comes in, so that nothing else pays for loading it."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib import util
from typing import Any

#: The distribution that brings libvips along, in the version of libvips.
_CARRIER = "pyvips-binary"


@cache
def load_libvips() -> Any:
    """Load libvips with one thread and no operation cache, once a process.

    Slots are as many as there are cores, so threads inside one would only fight the other slots;
    and no picture comes twice, so a cache would only hold memory. Raises ImportError or OSError
    where pyvips or its library is missing.
    """
    import pyvips as pyvips_module  # noqa: PLC0415 -- 40 ms and 20 MB, and only slots decode pictures

    pyvips: Any = pyvips_module
    pyvips.vips_lib.vips_concurrency_set(1)
    pyvips.cache_set_max(0)
    return pyvips


def name_engine() -> str:
    """Name the library that does the work, with its version.

    Loaded only where the system's own is used: an agent names its engines and needs no more of
    them. Raises ImportError or OSError where pyvips or its library is missing.
    """
    from importlib import metadata  # noqa: PLC0415 - mail headers and archives, for whoever needs it

    if util.find_spec("pyvips") and util.find_spec("_libvips"):
        with suppress(metadata.PackageNotFoundError):
            return f"libvips {metadata.version(_CARRIER)}"
    pyvips = load_libvips()
    return f"libvips {pyvips.version(0)}.{pyvips.version(1)}.{pyvips.version(2)}"
