"""Another cluster, as much of it as an engine needs.

    RemoteEngine ─ run ─► Grid ─► that cluster ─► run_span
    RemoteEngine ◄─ what it returns, or SpanLostError ─┘

A grid is no more than this: what it runs, what becomes of that, and how tasks are counted is the
business of ``RemoteEngine`` and ``run_span``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from headrace_wire.messages.failures import Reason

#: Tells what ``run_span`` has to tell while it runs, packed.
OnNews = Callable[[bytes], object]


class SpanLostError(Exception):
    """What ran a span has died, or was lost: ``reason`` is ``crash``, ``oom`` or ``lost``."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class GridAwayError(Exception):
    """The cluster cannot be reached, so that nobody knows what became of a span. It is no fault of
    its tasks: they go elsewhere.
    """


class Grid(Protocol):
    """A cluster that runs ``run_span`` (see ``span``). All of it happens in one event loop."""

    @property
    def title(self) -> str:
        """Names it for people, such as ``the Dask cluster at tcp://host:8786``."""
        ...

    @property
    def is_own(self) -> bool:
        """Whether it was started for this worker alone, so that nobody else can connect."""
        ...

    @property
    def slots(self) -> int:
        """How many spans can run there at a time just now; 0 while it cannot be reached."""
        ...

    @property
    def shortage(self) -> str:
        """Why there are no slots just now, and what to do about it; "" while there are some."""
        ...

    def watch(self, on_change: Callable[[], object], on_news: OnNews) -> None:
        """Have ``on_change`` called when ``slots`` or ``shortage`` may have changed, and
        ``on_news`` with what spans tell while they run. Both are called in the event loop.
        """
        ...

    async def share(self, content: bytes) -> Any:
        """Bring something there that several spans need. Returns what stands for it, for ``run``,
        which hands ``run_span`` the content itself; it is kept there as long as that lives.
        """
        ...

    async def run(self, call: bytes, shared: Sequence[Any]) -> bytes:
        """Run ``run_span(VERSION, call, *shared)`` there, once. Returns what it returns.

        When this is cancelled the span is ended there if that can be done, and else forgotten.
        Raises SpanLostError, GridAwayError, and whatever else keeps the cluster from running it.
        """
        ...

    async def close(self) -> None:
        """Leave the cluster, and end what was started there for this worker alone."""
        ...
