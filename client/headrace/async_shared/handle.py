"""The common part of all handles of shared objects, and of those that are awaited."""

from __future__ import annotations

import contextlib
from typing import ClassVar, Self

from headrace.async_shared.sealing import check_name
from headrace.async_shared.session_base import SessionBase
from headrace_wire.errors import UnknownSharedError
from headrace_wire.messages.shared import SharedAnswer, SharedSpec
from headrace_wire.timeouts import Limit


class Handle:
    """A shared object of one cluster. One object may have many handles, anywhere."""

    kind: ClassVar[str]

    def __init__(self, session: SessionBase, name: str) -> None:
        self.name = check_name(name)
        self._session = session

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    async def _read(
        self,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> SharedAnswer:
        return await self._session.read(
            self.name, self.kind, operation, *values, numbers=numbers, limit=limit
        )

    async def _change(
        self,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> SharedAnswer:
        return await self._session.change(
            self.name, self.kind, operation, *values, numbers=numbers, limit=limit
        )


class AsyncHandle(Handle):
    """A handle whose methods are awaited. The methods of an AsyncCluster make it."""

    async def open(self, initial: bytes = b"", maxsize: int = 0) -> Self:
        """Make the object if there is none with its name. Raises SharedKindError."""
        await self._session.open(SharedSpec(self.name, self.kind, initial, maxsize))
        return self

    async def delete(self) -> None:
        """Delete the object for everybody. It may be gone already."""
        with contextlib.suppress(UnknownSharedError):
            await self._change("delete")
