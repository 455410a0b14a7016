"""Which library finds primes in this process: primesieve where it is installed, else NumPy."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Protocol

from headrace_services.primes.primesieve import load_primesieve
from headrace_services.primes.sieve import NumpySieve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Environment variable that forces an engine: ``primesieve`` or ``numpy``.
ENGINE_VARIABLE = "HEADRACE_PRIMES_ENGINE"


class Engine(Protocol):
    """Finds primes in [start, stop), where 0 <= start <= stop <= 2^64. Not thread safe."""

    @property
    def name(self) -> str:
        """The library and its version."""
        ...

    def count(self, start: int, stop: int) -> int:
        """How many primes."""
        ...

    def count_tuplets(self, start: int, stop: int, size: int) -> int:
        """How many prime tuplets of the size with all their members in the range."""
        ...

    def generate(self, start: int, stop: int) -> NDArray[np.uint64]:
        """The primes, ascending; 8 bytes each in memory."""
        ...


@cache
def choose_engine() -> Engine:
    """Choose the engine, once per process.

    Raises ValueError for an unknown word in HEADRACE_PRIMES_ENGINE, and OSError where it asks for
    primesieve and no library of it can be loaded.
    """
    wanted = os.environ.get(ENGINE_VARIABLE, "")
    if wanted not in ("", "numpy", "primesieve"):
        raise ValueError(f"{ENGINE_VARIABLE}={wanted} is unknown: use primesieve or numpy")
    if wanted == "numpy":
        return NumpySieve()
    try:
        return load_primesieve()
    except OSError as error:
        if wanted == "primesieve":
            raise OSError(
                f"{ENGINE_VARIABLE}=primesieve, but {error}: install libprimesieve, or unset it"
            ) from None
        return NumpySieve()
