"""Chooses the library that finds primes in this process: primesieve if installed, else NumPy."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Protocol

from headrace_services.primes.primesieve import Primesieve, load_primesieve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The environment variable that selects an engine: ``primesieve`` or ``numpy``.
ENGINE_VARIABLE = "HEADRACE_PRIMES_ENGINE"


class Engine(Protocol):
    """Finds primes in [start, stop), where 0 <= start <= stop <= 2^64. It is not thread-safe."""

    def count(self, start: int, stop: int) -> int:
        """Return how many primes there are."""
        ...

    def count_tuplets(self, start: int, stop: int, size: int) -> int:
        """Return how many prime tuplets of this size have all their members in the range."""
        ...

    def generate(self, start: int, stop: int) -> NDArray[np.uint64]:
        """Return the primes in ascending order. They use 8 bytes of memory each."""
        ...


def choose_engine() -> Engine:
    """Choose the engine. Raises the same errors as ``find_primesieve``."""
    found = find_primesieve()
    if found is not None:
        return found
    from headrace_services.primes.sieve import NumpySieve  # noqa: PLC0415 - imports NumPy

    return NumpySieve()


def name_engine() -> str:
    """Return the engine's name and version without loading NumPy, as an agent only needs the name.

    Raises the same errors as ``find_primesieve``, and ImportError if NumPy is needed but missing.
    """
    found = find_primesieve()
    if found is not None:
        return found.name
    from importlib import metadata  # noqa: PLC0415 - loads modules for mail and archives

    try:
        return f"NumPy sieve {metadata.version('numpy')}"
    except metadata.PackageNotFoundError:
        raise ImportError("there is neither primesieve nor NumPy here") from None


@cache
def find_primesieve() -> Primesieve | None:
    """Find primesieve, once per process.

    Returns None if it is not installed or if the environment selects NumPy.

    Raises ValueError for an unknown word in HEADRACE_PRIMES_ENGINE, and OSError if primesieve is
    selected there but its library cannot be loaded.
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
