"""What open pages are told: asked for and encoded once for all who see the same.

Feed of a topic ─ Look, calls of the API ─► answers ─► an event ─► Stream
└─► Stream …
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import msgspec

from headrace_coordinator.web.calls import Answers, Look
from headrace_coordinator.web.gate import Visitor
from headrace_coordinator.web.problems import describe_error, find_status
from headrace_coordinator.web.twins import to_twin
from headrace_wire.errors import HeadraceError

#: Seconds after which a stream without news says that it is there.
SILENT_SECONDS = 15.0

#: Milliseconds after which a browser connects again.
RETRY = b"retry: 2000\n\n"

#: Bytes of one topic that a page is sent in a second, on average.
BYTES_PER_SECOND = 100_000


class Stream:
    """One open connection: what it is to be told, of each topic the latest."""

    def __init__(self, visitor: Visitor, is_live: Callable[[], bool]) -> None:
        self.visitor = visitor
        self.is_live = is_live
        self._messages: dict[str, bytes] = {}
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self.is_over = False

    def put(self, topic: str, message: bytes) -> None:
        """Tell something, in place of what it has not been told yet of this topic."""
        self._messages[topic] = message
        self._news.set()

    async def put_all(self, topic: str, message: bytes) -> None:
        """Tell something when all before it has been told."""
        while topic in self._messages:
            self._room.clear()
            await self._room.wait()
        self.put(topic, message)

    def end(self, reason: str) -> None:
        """Say that there is no more, and why."""
        self.is_over = True
        self.put("bye", write_event("bye", {"reason": reason}))

    async def listen(self) -> AsyncIterator[bytes]:
        """What is told, as it comes."""
        yield RETRY
        while True:
            try:
                async with asyncio.timeout(SILENT_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                yield b": here\n\n"
                continue
            self._news.clear()
            messages, self._messages = self._messages, {}
            self._room.set()
            yield b"".join(messages.values())
            if self.is_over:
                return


class Feed:
    """One topic as some see it, asked for while anybody listens.

    ``join`` makes of the answers to the calls of ``look`` what is told. It is asked for again after
    ``seconds``, and after more of them where there is much to tell.
    """

    def __init__(
        self, topic: str, look: Look, join: Callable[..., Any], seconds: float = 0.0
    ) -> None:
        self.look = look
        self.streams: set[Stream] = set()
        self.message = b""
        #: When it is asked for next, by the clock of whoever asks.
        self.due = 0.0
        #: Whether there is nothing of it any more.
        self.is_over = False
        self._topic = topic
        self._join = join
        self._seconds = seconds

    def take(self, found: Answers | HeadraceError | None, now: float) -> None:
        """Tell all who listen what was found, if that is new."""
        if isinstance(found, HeadraceError):
            self._tell(write_problem(found, self._topic))
            self.is_over = find_status(found) < 500
        elif found is not None:
            self._tell(write_event(self._topic, self._join(*found)))
        self.due = now + max(self._seconds, len(self.message) / BYTES_PER_SECOND)

    def _tell(self, message: bytes) -> None:
        if message != self.message:
            self.message = message
            for stream in self.streams:
                stream.put(self._topic, message)


def write_event(topic: str, value: Any) -> bytes:
    """An event with a value as JSON, which has no line breaks."""
    parts = cast("dict[str, Any]", value) if isinstance(value, dict) else None
    shown = to_twin(value) if parts is None else {key: to_twin(parts[key]) for key in parts}
    return b"event: %s\ndata: %s\n\n" % (topic.encode(), msgspec.json.encode(shown))


def write_problem(error: HeadraceError, topic: str) -> bytes:
    """An event that says why there is nothing of a topic."""
    return b"event: problem\ndata: %s\n\n" % msgspec.json.encode(describe_error(error, topic))
