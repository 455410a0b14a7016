"""The common part of the handles of shared objects whose methods block."""

from __future__ import annotations

from typing import Any

from headrace.async_shared.handle import AsyncHandle, Handle
from headrace.blocking import blocking, finish
from headrace.shared.connection import open_task_connection
from headrace.shared.session import SharedSession
from headrace_wire.messages.shared import SharedSpec

#: The class of handles for each kind of shared object.
_HANDLES: dict[str, type[SharedHandle]] = {}


class SharedHandle(Handle):
    """A shared object of one cluster. One object may have many handles, anywhere.

    A handle that is pickled into a task opens the object with its name on the cluster that runs the
    task.
    """

    def __init__(
        self, session: SharedSession, name: str, *, initial: bytes = b"", maxsize: int = 0
    ) -> None:
        super().__init__(session, name)
        finish(session.open(SharedSpec(name, self.kind, initial, maxsize)))

    def __init_subclass__(cls) -> None:
        _HANDLES.setdefault(cls.kind, cls)  # a subclass in a program is defined later

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_current, (self.kind, self.name)

    delete = blocking(AsyncHandle.delete)
    _read_now = blocking(Handle._read)  # noqa: SLF001 - its own base class
    _change_now = blocking(Handle._change)  # noqa: SLF001 - as above


def _open_current(kind: str, name: str) -> SharedHandle:
    return _HANDLES[kind](open_task_connection().open_session(), name)
