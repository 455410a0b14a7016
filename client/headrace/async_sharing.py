"""Shared objects with names, as methods of an AsyncCluster; see ``headrace.sharing``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported when needed, so that programs start quickly
    from headrace.async_shared import (
        AsyncDict,
        AsyncEvent,
        AsyncList,
        AsyncLock,
        AsyncQueue,
        AsyncValue,
    )
    from headrace.async_shared.session import AsyncSession
    from headrace_wire.manager import QueueManager
    from headrace_wire.messages.shared import SharedStatus


class AsyncSharedFactory(ABC):
    """Makes a shared object if there is none with its name, and finds it otherwise."""

    _shared_session: AsyncSession | None = None

    @abstractmethod
    def _find_manager(self) -> QueueManager: ...

    async def value(self, name: str, initial: Any = 0) -> AsyncValue:
        """Return a value, which is ``initial`` if it is new."""
        from headrace.async_shared import AsyncValue  # noqa: PLC0415 - see above
        from headrace.async_shared.sealing import seal  # noqa: PLC0415 - see above

        return await AsyncValue(self._open_shared(), name).open(seal(initial))

    async def list(self, name: str) -> AsyncList:
        """Return a list, which is empty if it is new."""
        from headrace.async_shared import AsyncList  # noqa: PLC0415 - see above

        return await AsyncList(self._open_shared(), name).open()

    async def dict(self, name: str) -> AsyncDict:
        """Return a dict, which is empty if it is new."""
        from headrace.async_shared import AsyncDict  # noqa: PLC0415 - see above

        return await AsyncDict(self._open_shared(), name).open()

    async def lock(self, name: str) -> AsyncLock:
        """Return a lock, which is not held if it is new."""
        from headrace.async_shared import AsyncLock  # noqa: PLC0415 - see above

        return await AsyncLock(self._open_shared(), name).open()

    async def event(self, name: str) -> AsyncEvent:
        """Return an event, which is not set if it is new."""
        from headrace.async_shared import AsyncEvent  # noqa: PLC0415 - see above

        return await AsyncEvent(self._open_shared(), name).open()

    async def queue(self, name: str, maxsize: int = 0) -> AsyncQueue:
        """Return a queue, empty if it is new. At most ``maxsize`` items wait; 0 is any number."""
        from headrace.async_shared import AsyncQueue  # noqa: PLC0415 - see above
        from headrace.async_shared.primitives import check_maxsize  # noqa: PLC0415 - see above

        handle = AsyncQueue(self._open_shared(), name)
        return await handle.open(maxsize=check_maxsize(maxsize))

    async def shared(self) -> tuple[SharedStatus, ...]:
        """Return every shared object."""
        return await self._open_shared().list_names()

    async def delete_shared(self, name: str) -> None:
        """Delete a shared object of any kind. Raises UnknownSharedError."""
        from headrace.async_shared.sealing import check_name  # noqa: PLC0415 - see above

        await self._open_shared().change(check_name(name), "", "delete")

    def _open_shared(self) -> AsyncSession:
        from headrace.async_shared.session import AsyncSession  # noqa: PLC0415 - see above

        if self._shared_session is None:
            self._shared_session = AsyncSession(self._find_manager())
        return self._shared_session

    async def _close_shared(self) -> None:
        """Say goodbye."""
        if self._shared_session:
            await self._shared_session.close()
