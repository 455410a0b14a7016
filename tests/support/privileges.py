"""Meeting files that may not be used, which are there for everybody but a privileged user."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

#: The two capabilities that let a process pass over the modes of files, as bits.
_OVERRIDES = 1 << 1 | 1 << 2

#: The layout of ``capget`` with 64 bits.
_VERSION = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Word(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextmanager
def obey_modes() -> Iterator[None]:
    """In here this thread may use files as their modes say, even if root runs it."""
    header, words = _Header(_VERSION, 0), (_Word * 2)()
    if _libc.capget(ctypes.byref(header), words) != 0:
        pytest.skip("capabilities cannot be read here")
    before = words[0].effective
    words[0].effective &= ~_OVERRIDES
    if _libc.capset(ctypes.byref(header), words) != 0:
        pytest.skip("capabilities cannot be laid down here")
    try:
        yield
    finally:
        words[0].effective = before
        assert _libc.capset(ctypes.byref(header), words) == 0
