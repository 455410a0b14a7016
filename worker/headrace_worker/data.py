"""Large data of jobs, as a worker keeps it: fetched once, in files in memory that slots read.

a lease whose job's parameters refer to data ─► JobQueue.read ─► DataStore ─► slots: Kept
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from functools import lru_cache
from typing import Annotated, cast

from msgspec import Meta, Struct, ValidationError, convert

from headrace_wire.encoding import unpack
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
    number: int
    size: int
    used_seconds: float


class DataStore:
    """Files in memory by the job whose input they are. Not thread safe."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def __contains__(self, source: str) -> bool:
        return source in self._files

    def put(self, source: str, content: bytes) -> None:
        """Keep data. Raises OSError where the system refuses."""
        file = os.memfd_create("headrace-data", os.MFD_CLOEXEC)
        try:
            with open(file, "wb", closefd=False) as opened:
                opened.write(content)
        except BaseException:
            os.close(file)
            raise
        self._files[source] = _File(file, len(content), time.monotonic())

    def locate(self, source: str) -> tuple[str, int]:
        """Where slots find it, and how many bytes it has."""
        file = self._files[source]
        file.used_seconds = time.monotonic()
        return f"/proc/{os.getpid()}/fd/{file.number}", file.size

    def expire(self, needed: Collection[str]) -> None:
        """Let go of what has not been needed for a while."""
        before = time.monotonic() - KEPT_SECONDS
        for source, file in list(self._files.items()):
            if file.used_seconds < before and source not in needed:
                del self._files[source]
                os.close(file.number)

    def close(self) -> None:
        """Let go of everything."""
        for file in self._files.values():
            os.close(file.number)
        self._files.clear()
