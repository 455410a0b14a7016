"""Which library finds primes in this process: primesieve where it is installed, else NumPy."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Protocol

from headrace_services.primes.primesieve import Primesieve, load_primesieve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Environment variable that forces an engine: ``primesieve`` or ``numpy``.
ENGINE_VARIABLE = "HEADRACE_PRIMES_ENGINE"


class Engine(Protocol):
    """Finds primes in [start, stop), where 0 <= start <= stop <= 2^64. Not thread safe."""

    def count(self, start: int, stop: int) -> int:
        """How many primes."""
        ...

    def count_tuplets(self, start: int, stop: int, size: int) -> int:
        """How many prime tuplets of the size with all their members in the range."""
        ...

    def generate(self, start: int, stop: int) -> NDArray[np.uint64]:
        """The primes, ascending; 8 bytes each in memory."""
        ...


def choose_engine() -> Engine:
    """Choose the engine. Raises what ``find_primesieve`` does."""
    found = find_primesieve()
    if found is not None:
        return found
    from headrace_services.primes.sieve import NumpySieve  # noqa: PLC0415 - imports NumPy

    return NumpySieve()


def name_engine() -> str:
    """Name the engine and its version, without NumPy: an agent needs no more than the name.

    Raises what ``find_primesieve`` does, and ImportError where NumPy would do it and is missing.
    """
    found = find_primesieve()
    if found is not None:
        return found.name
    from importlib import metadata  # noqa: PLC0415 - mail headers and archives, for whoever needs it

    try:
        return f"NumPy sieve {metadata.version('numpy')}"
    except metadata.PackageNotFoundError:
        raise ImportError("there is neither primesieve nor NumPy here") from None


@cache
def find_primesieve() -> Primesieve | None:
    """Find primesieve, once per process.

    None where it is not installed, or the environment asks for NumPy.

    Raises ValueError for an unknown word in HEADRACE_PRIMES_ENGINE, and OSError where it asks for
    primesieve and no library of it can be loaded.
    """
    wanted = os.environ.get(ENGINE_VARIABLE, "")
    if wanted not in ("", "numpy", "primesieve"):
        raise ValueError(f"{ENGINE_VARIABLE}={wanted} is unknown: use primesieve or numpy")
    if wanted == "numpy":
        return None
    try:
        return load_primesieve()
    except OSError as error:
        if wanted == "primesieve":
            raise OSError(
                f"{ENGINE_VARIABLE}=primesieve, but {error}: install libprimesieve, or unset it"
            ) from None
        return None
