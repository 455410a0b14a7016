"""Large data of jobs, which a worker fetches once and keeps in files that slots read. The files are
in memory if the system supports that, otherwise in a folder that is removed afterwards.

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
from headrace_wire.mismatch import explain_mismatch
from headrace_wire.system.memory_file import HAS_MEMORY_FILES, open_memory_file

#: Seconds for which data is kept that no lease needs.
KEPT_SECONDS = 60.0

#: The maximum number of pieces of data that the parameters of a job may refer to.
MOST_PIECES = 8

#: The references: the name of each parameter, with a job and the number of bytes of its input.
_References = Annotated[dict[str, tuple[str, int]], Meta(max_length=MOST_PIECES)]


class Needs(Struct, frozen=True):
    """What the parameters of a job require of a worker.

    ``tenant`` names the tenant whose slots alone may run the job. ``data`` lists the parameters
    that are stored elsewhere, each with the job whose input it is.
    """

    tenant: str = ""
    data: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=64)
def read_needs(parameters: bytes) -> Needs:
    """Read the needs from the parameters of a job. Raises ValueError."""
    try:
        about: object = unpack(parameters)
    except (ValueError, TypeError, RecursionError):
        return Needs()  # the code that prepares the job reports the error
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
    #: The file descriptor of a file in memory; None for a file on disk.
    number: int | None = None


class DataStore:
    """Files, found by the job whose input they contain. Not thread-safe."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._folder = ""

    def __contains__(self, source: str) -> bool:
        return source in self._files

    def put(self, source: str, content: bytes) -> None:
        """Store data in a file. Raises OSError."""
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
        """Return the path at which slots find the data, and its size in bytes."""
        file = self._files[source]
        file.used_seconds = time.monotonic()
        return file.path, file.size

    def expire(self, needed: Collection[str]) -> None:
        """Remove data that has not been needed for a while."""
        before = time.monotonic() - KEPT_SECONDS
        for source, file in list(self._files.items()):
            if file.used_seconds < before and source not in needed:
                del self._files[source]
                _remove(file.path, file.number)

    def close(self) -> None:
        """Remove all data."""
        for file in self._files.values():
            _remove(file.path, file.number)
        self._files.clear()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""

    def _make_place(self) -> str:
        """Return an unused path in a folder that belongs to this user alone."""
        if not self._folder:
            self._folder = tempfile.mkdtemp(prefix="headrace-data-")
        return str(Path(self._folder, os.urandom(8).hex()))


def _remove(path: str, number: int | None) -> None:
    if number is not None:
        os.close(number)
        return
    # On Windows this fails while a slot reads the file; it is removed with its folder.
    with suppress(OSError):
        Path(path).unlink()
