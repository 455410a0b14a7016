"""What all handles of shared objects have in common whose methods block."""

from __future__ import annotations

from typing import Any

from headrace.async_shared.handle import AsyncHandle, Handle
from headrace.blocking import blocking, finish
from headrace.shared.connection import open_task_connection
from headrace.shared.session import SharedSession
from headrace_wire.messages.shared import SharedSpec

#: What a shared object of each kind is opened with.
_HANDLES: dict[str, type[SharedHandle]] = {}


class SharedHandle(Handle):
    """A shared object of one cluster. There may be many handles of one object, anywhere.

    Pickled into a task, a handle opens the object of its name on the cluster that runs the task.
    """

    def __init__(
        self, session: SharedSession, name: str, *, initial: bytes = b"", maxsize: int = 0
    ) -> None:
        super().__init__(session, name)
        finish(session.open(SharedSpec(name, self.kind, initial, maxsize)))

    def __init_subclass__(cls) -> None:
        _HANDLES.setdefault(cls.kind, cls)  # a program's own subclass comes later

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_current, (self.kind, self.name)

    delete = blocking(AsyncHandle.delete)
    _read_now = blocking(Handle._read)  # noqa: SLF001 - its own base class
    _change_now = blocking(Handle._change)  # noqa: SLF001 - as above


def _open_current(kind: str, name: str) -> SharedHandle:
    return _HANDLES[kind](open_task_connection().open_session(), name)
