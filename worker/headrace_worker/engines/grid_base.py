"""The common part of all grids: waits until the cluster answers, and tracks its places.

    open ─► connect ─► look ─► look ─► …        list_places ─► ask_versions ─► slots
               └─ repeated for a while               └─ places come and go

A place is the unit in which a cluster grows and shrinks: a process in Dask, a machine in Ray. A
place is used if it has the same version of headrace as this worker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping

from headrace_wire.errors import HeadraceError, UnreachableError, UsageError
from headrace_wire.version import VERSION
from headrace_wire.words import format_seconds
from headrace_worker.engines.grid import OnNews

#: Seconds between two checks of which places there are and whether the cluster answers.
LOOK_SECONDS = 1.0

log = logging.getLogger(__name__)


class GridBase(ABC):
    """The part of a ``Grid`` that stays connected to its cluster.

    ``kind`` names what is at ``address``, such as a Dask scheduler, and ``places`` is the word for
    the places of such a cluster.
    """

    def __init__(self, kind: str, address: str, places: str) -> None:
        self._kind = kind
        self._address = address
        self._places = places
        #: The places that have headrace, with the number of spans that each can run at the same
        #: time, and the places without it.
        self._usable: dict[str, int] = {}
        self._unusable: frozenset[str] = frozenset()
        self._answers = False
        self._on_change: Callable[[], object] = lambda: None
        self._on_news: OnNews = lambda _: None
        self._looking: asyncio.Task[None] | None = None

    @property
    @abstractmethod
    def title(self) -> str:
        """The name of the cluster, for people."""

    @property
    def slots(self) -> int:
        """How many spans can run there at the same time now; 0 while it cannot be reached."""
        return sum(self._usable.values())

    @property
    def shortage(self) -> str:
        """Why there are no slots now, and what to do about it; "" while there are some."""
        if self.slots:
            return ""
        if not self._answers:
            return f"{self.title} does not answer: start it again"
        if self._unusable:
            place = self._places.removesuffix("s")
            return f"no {place} of {self.title} has headrace {VERSION}: install it there"
        return f"{self.title} has no {self._places}: start some"

    def watch(self, on_change: Callable[[], object], on_news: OnNews) -> None:
        """Report changes and news from now on."""
        self._on_change, self._on_news = on_change, on_news

    async def open(self, patience_seconds: float) -> None:
        """Connect, trying for this long, and find out which places there are.

        Raises UnreachableError if nothing answers, and UsageError for a cluster that cannot be
        used.
        """
        begun = time.monotonic()
        is_logged = False
        while not self._answers:
            try:
                await self._connect()
                await self._look()
                self._answers = True
            except HeadraceError:
                raise
            except Exception as error:  # noqa: BLE001 - see _explain
                where = f" at {self._address}" if self._address else ""
                why = f"no {self._kind} answers{where}: {self._explain(error)}"
                tried_seconds = time.monotonic() - begun
                if tried_seconds >= patience_seconds:
                    tried = f" (tried for {format_seconds(tried_seconds)})" if is_logged else ""
                    raise UnreachableError(f"{why}{tried}") from None
                if not is_logged:
                    log.warning("%s; trying for %g s", why, patience_seconds)
                    is_logged = True
                await asyncio.sleep(LOOK_SECONDS)
        if self._unusable and not self._usable:
            raise UsageError(
                f"the {self._places} of {self.title} have no headrace {VERSION}: install it there, "
                "the same version as here"
            )
        self._looking = asyncio.create_task(self._keep_looking())

    async def close(self) -> None:
        """Disconnect from the cluster, and end what was started there for this worker alone."""
        if self._looking:
            self._looking.cancel()
        await self._leave()

    async def _keep_looking(self) -> None:
        """Track the places as they come and go, and whether the cluster answers."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            before = self._usable, self.shortage
            try:
                if not self._answers:
                    await self._connect()
                    log.info("%s answers again", self.title)
                    self._answers = True
                await self._look()
            except Exception as error:  # noqa: BLE001 - see _explain
                if self._answers:
                    why = self._explain(error)
                    log.warning("%s does not answer: %s; trying on", self.title, why)
                    self._answers = False
                    await self._disconnect()
                self._usable = {}
            if (self._usable, self.shortage) != before:
                self._on_change()

    async def _look(self) -> None:
        """Find out which places there are, and ask new ones for their version."""
        places = await self._list_places()
        known = self._usable.keys() | self._unusable
        new = [place for place in places if place not in known]
        answers: Mapping[str, object] = await self._ask_versions(new) if new else {}
        for place, answer in answers.items():
            if answer != VERSION:
                what = answer if isinstance(answer, Exception) else f"it has headrace {answer}"
                log.warning(
                    "the %s %s of %s is not used: %s; install headrace %s there, the same version "
                    "as here",
                    self._places.removesuffix("s"),
                    place,
                    self.title,
                    what,
                    VERSION,
                )
        usable = self._usable.keys() | {one for one, answer in answers.items() if answer == VERSION}
        self._usable = {place: spans for place, spans in places.items() if place in usable}
        self._unusable = (self._unusable | answers.keys()) & places.keys() - usable

    @abstractmethod
    async def _connect(self) -> None:
        """Connect, unless connected. Raises UsageError if it is no use to try again."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Disconnect from a cluster that does not answer, so that it can be connected to again."""

    @abstractmethod
    async def _leave(self) -> None: ...

    @abstractmethod
    async def _list_places(self) -> dict[str, int]:
        """Return the places, with the number of spans that each can run at the same time."""

    @abstractmethod
    async def _ask_versions(self, places: Collection[str]) -> Mapping[str, object]:
        """Ask places for their version of headrace. An answer may be an error. Places that do not
        answer are left out, and are asked again.
        """

    @abstractmethod
    def _explain(self, error: Exception) -> str:
        """Describe why the cluster does not answer. Libraries may raise any error."""
