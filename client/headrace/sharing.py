"""Shared objects with names, as methods of a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from headrace.async_sharing import AsyncSharedFactory
from headrace.blocking import blocking
from headrace.engine import Engine
from headrace_wire.locks import make_lock

if TYPE_CHECKING:  # imported when needed, so that the command line starts quickly
    from headrace.shared import (
        SharedDict,
        SharedEvent,
        SharedList,
        SharedLock,
        SharedQueue,
        SharedValue,
    )
    from headrace.shared.session import SharedSession

_opening = make_lock()


class SharedFactory(ABC):
    """Makes a shared object if there is none with its name, and finds it otherwise.

    A shared object stays on the cluster until it is deleted, whoever made it and whatever is
    restarted. Raises SharedKindError for a name that an object of another kind has.
    """

    _shared_session: SharedSession | None = None

    @property
    @abstractmethod
    def engine(self) -> Engine: ...

    def value(self, name: str, initial: Any = 0) -> SharedValue:
        """Return a value, which is ``initial`` if it is new."""
        from headrace.shared import SharedValue  # noqa: PLC0415 - see above

        return SharedValue(self._open_shared(), name, initial)

    def list(self, name: str) -> SharedList:
        """Return a list, which is empty if it is new."""
        from headrace.shared import SharedList  # noqa: PLC0415 - see above

        return SharedList(self._open_shared(), name)

    def dict(self, name: str) -> SharedDict:
        """Return a dict, which is empty if it is new."""
        from headrace.shared import SharedDict  # noqa: PLC0415 - see above

        return SharedDict(self._open_shared(), name)

    def lock(self, name: str) -> SharedLock:
        """Return a lock, which is not held if it is new."""
        from headrace.shared import SharedLock  # noqa: PLC0415 - see above

        return SharedLock(self._open_shared(), name)

    def event(self, name: str) -> SharedEvent:
        """Return an event, which is not set if it is new."""
        from headrace.shared import SharedEvent  # noqa: PLC0415 - see above

        return SharedEvent(self._open_shared(), name)

    def queue(self, name: str, maxsize: int = 0) -> SharedQueue:
        """Return a queue, empty if it is new. At most ``maxsize`` items wait; 0 is any number."""
        from headrace.shared import SharedQueue  # noqa: PLC0415 - see above

        return SharedQueue(self._open_shared(), name, maxsize)

    shared = blocking(AsyncSharedFactory.shared)
    delete_shared = blocking(AsyncSharedFactory.delete_shared)

    def _open_shared(self) -> SharedSession:
        from headrace.shared.session import SharedSession  # noqa: PLC0415 - see above

        with _opening:
            if self._shared_session is None:
                self._shared_session = SharedSession(self.engine)
            return self._shared_session

    def _close_shared(self) -> None:
        """Say goodbye. This must be called before the engine is closed."""
        if self._shared_session:
            self._shared_session.close()
