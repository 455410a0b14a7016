"""Kim Walisch's primesieve, used through the C interface of its shared library, without a compiler.

Its intervals are inclusive and end at 2^64 - 1. It reports errors on standard error, and by
returning PRIMESIEVE_ERROR (2^64 - 1) or, for arrays, by setting errno to EDOM.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import sys
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

#: What counting functions return if they could not count.
PRIMESIEVE_ERROR = 2**64 - 1
#: The value of the C enumeration for primes of 64 bits without sign.
_UINT64_PRIMES = 13
#: The versions of the library's binary interface, newest first. What is used here is in all of
#: them.
_SONAMES = tuple(range(14, 7, -1))
_COUNTERS = {
    2: "primesieve_count_twins",
    3: "primesieve_count_triplets",
    4: "primesieve_count_quadruplets",
    5: "primesieve_count_quintuplets",
    6: "primesieve_count_sextuplets",
}


class Primesieve:
    """The engine on a loaded library. It uses one thread, because a slot stands for one core."""

    def __init__(self, library: ctypes.CDLL) -> None:
        library.primesieve_version.restype = ctypes.c_char_p
        library.primesieve_set_num_threads.argtypes = [ctypes.c_int]
        library.primesieve_generate_primes.restype = ctypes.c_void_p
        library.primesieve_generate_primes.argtypes = [
            ctypes.c_uint64,
            ctypes.c_uint64,
            ctypes.POINTER(ctypes.c_size_t),
            ctypes.c_int,
        ]
        library.primesieve_free.argtypes = [ctypes.c_void_p]
        library.primesieve_set_num_threads(1)
        self._library = library
        self._count_primes = _bind_counter(library, "primesieve_count_primes")
        self._count_tuplets = {
            size: _bind_counter(library, name) for size, name in _COUNTERS.items()
        }

    @property
    def name(self) -> str:
        """The library and its version."""
        version: bytes = self._library.primesieve_version()
        return f"primesieve {version.decode()}"

    def count(self, start: int, stop: int) -> int:
        """Count primes. Raises MemoryError if the library could not."""
        return _count(self._count_primes, start, stop)

    def count_tuplets(self, start: int, stop: int, size: int) -> int:
        """Count tuplets. Raises MemoryError if the library could not."""
        return _count(self._count_tuplets[size], start, stop)

    def generate(self, start: int, stop: int) -> NDArray[np.uint64]:
        """Return a view of the library's own array of primes, which is freed with its last view.

        Raises MemoryError if the library could not make it.
        """
        import numpy as np  # noqa: PLC0415 - an agent only needs the engine's name

        if start >= stop:
            return np.empty(0, dtype=np.uint64)
        size = ctypes.c_size_t()
        ctypes.set_errno(0)
        address = self._library.primesieve_generate_primes(
            start, stop - 1, ctypes.byref(size), _UINT64_PRIMES
        )
        if ctypes.get_errno() == errno.EDOM:
            raise MemoryError(f"primesieve could not find the primes from {start} to {stop}")
        if not address:
            return np.empty(0, dtype=np.uint64)
        memory = _Memory(address, size.value)
        weakref.finalize(memory, self._library.primesieve_free, address)
        return np.asarray(memory)


class _Memory:
    """Memory of the library, in a form that NumPy can use without a copy."""

    def __init__(self, address: int, size: int) -> None:
        self.__array_interface__ = {
            "version": 3,
            "data": (address, True),
            "shape": (size,),
            "typestr": f"{'<' if sys.byteorder == 'little' else '>'}u8",
        }


def load_primesieve() -> Primesieve:
    """Load the library. Raises OSError if there is none."""
    for name in _name_candidates():
        try:
            return Primesieve(ctypes.CDLL(name, use_errno=True))
        except (OSError, AttributeError):
            # AttributeError means that it lacks the functions needed here.
            continue
    raise OSError(f"no library libprimesieve.so.{_SONAMES[-1]} to .{_SONAMES[0]} was found")


def _name_candidates() -> Iterator[str]:
    for version in _SONAMES:
        yield f"libprimesieve.so.{version}"
    found = ctypes.util.find_library("primesieve")
    if found is not None:
        yield found


def _bind_counter(library: ctypes.CDLL, name: str) -> Callable[[int, int], Any]:
    counter = library[name]
    counter.restype = ctypes.c_uint64
    counter.argtypes = [ctypes.c_uint64, ctypes.c_uint64]
    return counter


def _count(counter: Callable[[int, int], Any], start: int, stop: int) -> int:
    if start >= stop:
        return 0
    found = int(counter(start, stop - 1))
    if found == PRIMESIEVE_ERROR:
        raise MemoryError(f"primesieve could not count from {start} to {stop}")
    return found
