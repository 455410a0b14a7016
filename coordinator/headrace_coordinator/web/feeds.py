"""What is sent to open pages: queried and encoded once for all who see the same.

Feed of a topic ─ Poll, calls of the API ─► answers ─► an event ─► Stream
                                                               └─► Stream …
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import msgspec

from headrace_coordinator.web.calls import Answers, Poll
from headrace_coordinator.web.gate import Visitor
from headrace_coordinator.web.json_models import to_model
from headrace_coordinator.web.problems import describe_error, find_status
from headrace_wire.errors import HeadraceError

#: After how many seconds without news a stream sends a comment, which keeps it open.
SILENT_SECONDS = 15.0

#: After how many milliseconds a browser connects again.
RETRY = b"retry: 2000\n\n"

#: How many bytes per second of one topic are sent to a page, on average.
BYTES_PER_SECOND = 100_000


class Stream:
    """One open connection, with the latest message of each topic that is to be sent."""

    def __init__(self, visitor: Visitor, is_live: Callable[[], bool]) -> None:
        self.visitor = visitor
        self.is_live = is_live
        self._messages: dict[str, bytes] = {}
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self.is_over = False

    def put(self, topic: str, message: bytes) -> None:
        """Send a message. It replaces an earlier one of this topic that has not been sent yet."""
        self._messages[topic] = message
        self._news.set()

    async def put_all(self, topic: str, message: bytes) -> None:
        """Send a message after the earlier one of this topic has been sent."""
        while topic in self._messages:
            self._room.clear()
            await self._room.wait()
        self.put(topic, message)

    def end(self, reason: str) -> None:
        """Send the reason why there will be no more, and end."""
        self.is_over = True
        self.put("bye", write_event("bye", {"reason": reason}))

    async def listen(self) -> AsyncIterator[bytes]:
        """Iterate over what is to be sent."""
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
    """One topic as some visitors see it, which is queried while anybody listens.

    ``join`` makes the message from the answers to the calls of ``poll``. It is queried again after
    ``seconds``, or later if the messages are large.
    """

    def __init__(
        self, topic: str, poll: Poll, join: Callable[..., Any], seconds: float = 0.0
    ) -> None:
        self.poll = poll
        self.streams: set[Stream] = set()
        self.message = b""
        #: When it is queried next, by the clock of the caller.
        self.due = 0.0
        #: Whether it has ended.
        self.is_over = False
        self._topic = topic
        self._join = join
        self._seconds = seconds

    def take(self, found: Answers | HeadraceError | None, now: float) -> None:
        """Send what was found to all who listen, if that is new."""
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
    """Return an event with a value as JSON, which has no line breaks."""
    parts = cast("dict[str, Any]", value) if isinstance(value, dict) else None
    shown = to_model(value) if parts is None else {key: to_model(parts[key]) for key in parts}
    return b"event: %s\ndata: %s\n\n" % (topic.encode(), msgspec.json.encode(shown))


def write_problem(error: HeadraceError, topic: str) -> bytes:
    """Return an event that says why there is nothing for a topic."""
    return b"event: problem\ndata: %s\n\n" % msgspec.json.encode(describe_error(error, topic))
