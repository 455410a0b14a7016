"""Locks for ``with`` statements in threads that a signal handler may interrupt.

A handler may raise an exception in the main thread after any call of a C function. In CPython
before 3.14, a ``with`` statement over a lock of ``_thread`` acquires it and enters its block
without such a point in between, so that the lock is released in any case. Since then, ``__enter__``
is called like any other function, and sometimes an interrupt leaves the lock acquired forever.
"""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager


class SteadyLock(_thread.RLock):  # type: ignore[misc] # final in typeshed, not in CPython
    """A lock that checks after an interrupt whether it has been acquired.

    ``__enter__`` returns without another call, and ``__exit__`` is the C function, which has
    released the lock before anything can interrupt it. A plain lock does not know its owner; this
    one does, but it must not be acquired twice.
    """

    __slots__ = ()

    def __enter__(self) -> bool:  # type: ignore[override] # typeshed gives it the parameters of acquire
        try:
            return self.acquire()
        except BaseException:
            if self._is_owned():  # type: ignore[attr-defined] # that of Condition, undocumented
                self.release()
            raise


#: Makes a lock that is only used in ``with`` statements.
make_lock: Callable[[], AbstractContextManager[object]] = (
    SteadyLock if sys.version_info >= (3, 14) else threading.Lock
)
