"""What a pool waits for: descriptors that become readable or writable.

An asyncio event loop is a ``Watcher`` as it is. ``SelectorWatcher`` is one for a pool that is used
without an event loop.
"""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Watcher(Protocol):
    """Calls back, again and again, as long as a descriptor is readable or writable."""

    def add_reader(self, fd: int, callback: Callable[..., object], *args: object) -> object: ...

    def remove_reader(self, fd: int) -> object: ...

    def add_writer(self, fd: int, callback: Callable[..., object], *args: object) -> object: ...

    def remove_writer(self, fd: int) -> object: ...


class SelectorWatcher:
    """Calls back from within ``wait``. Not thread safe."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._callbacks: dict[tuple[int, int], Callable[[], object]] = {}

    def add_reader(self, fd: int, callback: Callable[..., object], *args: object) -> None:
        self._add(fd, selectors.EVENT_READ, lambda: callback(*args))

    def remove_reader(self, fd: int) -> None:
        self._remove(fd, selectors.EVENT_READ)

    def add_writer(self, fd: int, callback: Callable[..., object], *args: object) -> None:
        self._add(fd, selectors.EVENT_WRITE, lambda: callback(*args))

    def remove_writer(self, fd: int) -> None:
        self._remove(fd, selectors.EVENT_WRITE)

    def wait(self, timeout_seconds: float | None) -> None:
        """Wait until a descriptor is ready, and call back for all that are."""
        ready = [
            (place, self._callbacks[place])
            for key, events in self._selector.select(timeout_seconds)
            for event in (selectors.EVENT_WRITE, selectors.EVENT_READ)
            if events & event and (place := (key.fd, event)) in self._callbacks
        ]
        for place, callback in ready:
            # An earlier callback may have removed it.
            if self._callbacks.get(place) is callback:
                callback()

    def close(self) -> None:
        self._callbacks.clear()
        self._selector.close()

    def _add(self, fd: int, event: int, callback: Callable[[], object]) -> None:
        self._callbacks[fd, event] = callback
        events = self._find_events(fd)
        if fd in self._selector.get_map():
            self._selector.modify(fd, events)
        else:
            self._selector.register(fd, events)

    def _remove(self, fd: int, event: int) -> None:
        if self._callbacks.pop((fd, event), None) is None:
            return
        if events := self._find_events(fd):
            self._selector.modify(fd, events)
        else:
            self._selector.unregister(fd)

    def _find_events(self, fd: int) -> int:
        both = (selectors.EVENT_READ, selectors.EVENT_WRITE)
        return sum(event for event in both if (fd, event) in self._callbacks)
