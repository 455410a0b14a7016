"""What all handles of shared objects have in common, and what those have that are awaited."""

from __future__ import annotations

import contextlib
from typing import ClassVar, Self

from headrace.async_shared.sealing import check_name
from headrace.async_shared.session_base import SessionBase
from headrace_wire.errors import UnknownSharedError
from headrace_wire.messages.shared import SharedAnswer, SharedSpec
from headrace_wire.timeouts import Limit


class Handle:
    """A shared object of one cluster. There may be many handles of one object, anywhere."""

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
    """A handle whose methods are awaited; made by the methods of an AsyncCluster."""

    async def open(self, initial: bytes = b"", maxsize: int = 0) -> Self:
        """Make the object if there is none of its name. Raises SharedKindError."""
        await self._session.open(SharedSpec(self.name, self.kind, initial, maxsize))
        return self

    async def delete(self) -> None:
        """Forget the object, for everybody; it may be gone already."""
        with contextlib.suppress(UnknownSharedError):
            await self._change("delete")
