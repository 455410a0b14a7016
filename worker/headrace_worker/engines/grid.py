"""The interface to another cluster, which has only what an engine needs.

    RemoteEngine ─ run ─► Grid ─► that cluster ─► run_span
    RemoteEngine ◄─ what it returns, or SpanLostError ─┘

A grid only runs a function. ``RemoteEngine`` and ``run_span`` decide what is run, handle the
results, and count the tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from headrace_wire.messages.failures import Reason

#: Passes on the packed news of ``run_span`` while it runs.
OnNews = Callable[[bytes], object]


class SpanLostError(Exception):
    """The process that ran a span died or was lost: ``reason`` is ``crash``, ``oom`` or
    ``lost``.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


class GridAwayError(Exception):
    """The cluster cannot be reached, so it is not known what happened to a span. Its tasks are not
    charged for this: they go elsewhere.
    """


class Grid(Protocol):
    """A cluster that runs ``run_span`` (see ``span``). Everything happens in one event loop."""

    @property
    def title(self) -> str:
        """The name of the cluster for people, such as ``the Dask cluster at tcp://host:8786``."""
        ...

    @property
    def is_own(self) -> bool:
        """Whether it was started for this worker alone, so that nobody else can connect."""
        ...

    @property
    def slots(self) -> int:
        """How many spans can run there at the same time now; 0 while it cannot be reached."""
        ...

    @property
    def shortage(self) -> str:
        """Why there are no slots now, and what to do about it; "" while there are some."""
        ...

    def watch(self, on_change: Callable[[], object], on_news: OnNews) -> None:
        """Call ``on_change`` when ``slots`` or ``shortage`` may have changed, and ``on_news`` with
        the news of running spans. Both are called in the event loop.
        """
        ...

    async def share(self, content: bytes) -> Any:
        """Send data there that several spans need. Returns an object that represents it and can be
        passed to ``run``, which gives the content itself to ``run_span``. The cluster keeps the
        data as long as this object exists.
        """
        ...

    async def run(self, call: bytes, shared: Sequence[Any]) -> bytes:
        """Run ``run_span(VERSION, call, *shared)`` there, once. Returns what it returns.

        If this is cancelled, the span is ended there if that is possible. Otherwise this returns,
        with CancelledError, when the process is finished with it, or when it is cancelled again.
        Raises SpanLostError, GridAwayError, and other errors that keep the cluster from running it.
        """
        ...

    async def close(self) -> None:
        """Disconnect from the cluster, and end what was started there for this worker alone."""
        ...
