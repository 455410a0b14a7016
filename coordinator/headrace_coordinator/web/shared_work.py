"""Work that is done once for all who want the same at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from msgspec import Struct

Given = TypeVar("Given")


class _Wanted(Struct, Generic[Given]):
    """Work in progress, and how many wait for it."""

    doing: asyncio.Task[Given]
    waiting: int = 0


class SharedWork(Generic[Given]):
    """The work in progress, by its subject."""

    def __init__(self) -> None:
        self._wanted: dict[Hashable, _Wanted[Given]] = {}

    async def take(self, about: Hashable, do: Callable[[], Coroutine[Any, Any, Given]]) -> Given:
        """Do something, or wait for somebody else who does it. Raises its errors.

        It is cancelled when nobody waits for it any more.
        """
        wanted = self._wanted.get(about)
        if wanted is None:
            doing = asyncio.get_running_loop().create_task(do())
            wanted = self._wanted[about] = _Wanted(doing)
        wanted.waiting += 1
        try:
            return await asyncio.shield(wanted.doing)
        finally:
            wanted.waiting -= 1
            if not wanted.waiting:  # later callers start it again
                del self._wanted[about]
                wanted.doing.cancel()
