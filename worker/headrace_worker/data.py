"""Large data of jobs, as a worker keeps it: fetched once, in files that slots read: in
memory where the system has such files, else in a folder that is removed afterwards.

a lease whose job's parameters refer to data ─► JobQueue.read ─► DataStore ─► slots: Kept
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Annotated, cast

from msgspec import Meta, Struct, ValidationError, convert

from headrace_wire.encoding import unpack
from headrace_wire.memory_file import HAS_MEMORY_FILES, open_memory_file
from headrace_wire.mismatch import explain_mismatch

#: Seconds for which data is kept that no lease needs.
KEPT_SECONDS = 60.0

#: Pieces of data that one job's parameters may refer to.
MOST_PIECES = 8

#: What refers to them: the name of each parameter, with a job and the number of bytes of its input.
_References = Annotated[dict[str, tuple[str, int]], Meta(max_length=MOST_PIECES)]


class Needs(Struct, frozen=True):
    """What a job's parameters ask of a worker.

    ``tenant`` is whose slots alone may run it; ``data`` names the parameters that are elsewhere,
    each with the job whose input it is.
    """

    tenant: str = ""
    data: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=64)
def read_needs(parameters: bytes) -> Needs:
    """Read them from the parameters of a job. Raises ValueError."""
    try:
        about: object = unpack(parameters)
    except (ValueError, TypeError, RecursionError):
        return Needs()  # whoever prepares the job says so
    if not isinstance(about, dict):
        return Needs()
    found = cast("dict[object, object]", about)
    tenant = found.get("tenant")
    try:
        data = convert(found.get("data", {}), _References)
    except ValidationError as error:
        why = explain_mismatch(error, whole="data")
        raise ValueError(f"the job's parameters refer to data in a wrong way: {why}") from None
    pieces = tuple((name, source) for name, (source, _) in data.items())
    return Needs(tenant if isinstance(tenant, str) else "", pieces)


class _File(Struct):
    path: str
    size: int
    used_seconds: float
    #: Among open files, for one in memory; None for one on the disk.
    number: int | None = None


class DataStore:
    """Files by the job whose input they are. Not thread safe."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._folder = ""

    def __contains__(self, source: str) -> bool:
        return source in self._files

    def put(self, source: str, content: bytes) -> None:
        """Keep data. Raises OSError where the system refuses."""
        number = path = None
        if HAS_MEMORY_FILES:
            number = open_memory_file("headrace-data")
            path = f"/proc/{os.getpid()}/fd/{number}"
        else:
            path = self._make_place()
        try:
            with open(path if number is None else number, "wb", closefd=number is None) as opened:
                opened.write(content)
        except BaseException:
            _remove(path, number)
            raise
        self._files[source] = _File(path, len(content), time.monotonic(), number)

    def locate(self, source: str) -> tuple[str, int]:
        """Where slots find it, and how many bytes it has."""
        file = self._files[source]
        file.used_seconds = time.monotonic()
        return file.path, file.size

    def expire(self, needed: Collection[str]) -> None:
        """Let go of what has not been needed for a while."""
        before = time.monotonic() - KEPT_SECONDS
        for source, file in list(self._files.items()):
            if file.used_seconds < before and source not in needed:
                del self._files[source]
                _remove(file.path, file.number)

    def close(self) -> None:
        """Let go of everything."""
        for file in self._files.values():
            _remove(file.path, file.number)
        self._files.clear()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""

    def _make_place(self) -> str:
        """A path that no file has, in a folder of this user's own."""
        if not self._folder:
            self._folder = tempfile.mkdtemp(prefix="headrace-data-")
        return str(Path(self._folder, os.urandom(8).hex()))


def _remove(path: str, number: int | None) -> None:
    if number is not None:
        os.close(number)
        return
    with suppress(OSError):  # on Windows while a slot reads it: it goes with its folder
        Path(path).unlink()
