"""Locks for ``with`` statements of threads that a signal's handler may interrupt.

A handler may raise an exception in the main thread after any call of a function of C. A ``with``
statement over a lock of ``_thread`` takes it and enters its block without such a place in between,
so that the lock is left whatever happens: in CPython before 3.14. From then on ``__enter__`` is
called as any function is, and now and then an interrupt leaves the lock taken for ever.
"""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager


class SteadyLock(_thread.RLock):  # type: ignore[misc] # final in typeshed, not in CPython
    """One that looks after an interrupt whether it has been taken.

    ``__enter__`` returns without another call, and ``__exit__`` is the one of C, which has released
    the lock before anything can interrupt it. A plain lock does not know who holds it; this one
    is not meant to be taken twice.
    """

    __slots__ = ()

    def __enter__(self) -> bool:  # type: ignore[override] # typeshed gives it the parameters of acquire
        try:
            return self.acquire()
        except BaseException:
            if self._is_owned():  # type: ignore[attr-defined] # that of Condition, undocumented
                self.release()
            raise


#: Makes a lock that is used in ``with`` statements alone.
make_lock: Callable[[], AbstractContextManager[object]] = (
    SteadyLock if sys.version_info >= (3, 14) else threading.Lock
)
