"""What pages receive while they are open: server-sent events, at most one per topic and second.

    browsers ─► Stream ─► Feed of a topic ─► calls of the API, once for all who see the same
                  Hub: all feeds have their turn at the same time, followed by a rest

Events and log lines, which are read from a position on, are long-polled, once for all who are at
the same position. Every stream ends with the session that began it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from headrace_coordinator.web.feeds import Feed, Stream, write_event, write_problem
from headrace_coordinator.web.gate import Gate, Visitor
from headrace_coordinator.web.json_api import PREFIX, read_query
from headrace_coordinator.web.problems import find_status
from headrace_coordinator.web.shared_work import SharedWork
from headrace_coordinator.web.topics import WANTED, StreamQuery, choose_feed
from headrace_wire.errors import BoundsError, BusyError, HeadraceError
from headrace_wire.messages.logs import LogRequest
from headrace_wire.messages.views import EventRequest

log = logging.getLogger(__name__)

#: The minimum and maximum time from one turn to the next, in seconds.
TURN_SECONDS = 1.0
LONGEST_SECONDS = 4.0

#: The rest after a turn, as a multiple of its duration.
RESTS_PER_TURN = 40.0

#: How many seconds a call may wait for events or log lines.
WAIT_SECONDS = 20.0

#: The maximum number of streams, and of those of one key.
MAX_STREAMS = 100
MAX_STREAMS_OF_KEY = 60


class Hub:
    """All streams and feeds of an application, in the event loop of HTTP.

    All feeds have their turn at the same time, and what is found for a page is sent in one piece,
    because each round trip to the queue's event loop, and each time that this thread wakes up,
    slows the queue down. The rest after a turn grows with the time that the turn took: the busier
    the coordinator is, the fewer queries there are.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._streams: set[Stream] = set()
        self._feeds: dict[tuple[Any, ...], Feed] = {}
        self._pages = SharedWork[tuple[Any, bytes]]()
        self._turns: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._turned = asyncio.Event()

    def open(self, request: Request) -> Stream:
        """Return a new stream for the visitor who made a request. Raises BusyError."""
        visitor: Visitor = request.state.visitor
        mark = visitor.holder.mark
        of_key = sum(one.visitor.holder.mark == mark for one in self._streams)
        is_full = len(self._streams) >= MAX_STREAMS or of_key >= MAX_STREAMS_OF_KEY
        if is_full or not request.state.is_seated:
            raise BusyError("too many pages are open: close some, or load this one again later")
        session, sessions = request.state.session, request.state.sessions
        stream = Stream(visitor, lambda: not session or sessions.find(session.text) is not None)
        self._streams.add(stream)
        if self._turns is None or self._turns.done():
            self._turns = asyncio.get_running_loop().create_task(self._take_turns())
        return stream

    def close(self, stream: Stream) -> None:
        """Remove a stream, and the feeds to which nobody listens any more."""
        self._streams.discard(stream)
        for key, feed in list(self._feeds.items()):
            feed.streams.discard(stream)
            if not feed.streams:
                del self._feeds[key]
        self._wanted.set()

    def follow(
        self, stream: Stream, topic: str, about: Hashable, make: Callable[[Visitor], Feed]
    ) -> None:
        """Let a stream follow a topic, together with others who see the same; ``about`` identifies
        what it shows.
        """
        key = (about, self._gate.find_view(stream.visitor.holder))
        feed = self._feeds.get(key)
        if feed is None or feed.is_over:
            try:
                feed = self._feeds[key] = make(stream.visitor)
            except HeadraceError as error:
                stream.put(topic, write_problem(error, topic))
                return
            self._wanted.set()
        feed.streams.add(stream)
        if feed.message:
            stream.put(topic, feed.message)

    async def read(self, visitor: Visitor, topic: str, request: Hashable) -> tuple[Any, bytes]:
        """Return a page of events or log lines, and its encoded event. It is read once for all who
        wait for the same. Raises HeadraceError.
        """

        async def read() -> tuple[Any, bytes]:
            page = await visitor.call(topic, request)
            return page, write_event(topic, page)

        return await self._pages.take((topic, request, self._gate.find_view(visitor.holder)), read)

    async def wait_for_turn(self) -> None:
        """Wait for the next turn."""
        await self._turned.wait()

    async def stop(self) -> None:
        """End everything."""
        if self._turns:
            self._turns.cancel()
            await asyncio.wait([self._turns])

    async def _take_turns(self) -> None:
        """Send what is new to all streams, for as long as there are any."""
        turn_at = 0.0
        while self._streams:
            self._wanted.clear()
            begun = time.monotonic()
            is_turn = begun >= turn_at
            feeds = [
                feed
                for feed in self._feeds.values()
                if not feed.is_over and (feed.due <= begun if is_turn else not feed.message)
            ]
            if feeds or is_turn:
                await self._ask(feeds, begun)
            if is_turn:
                took = time.monotonic() - begun
                turn_at = begun + min(max(TURN_SECONDS, RESTS_PER_TURN * took), LONGEST_SECONDS)
                self._end_sessions()
                self._turned.set()
                self._turned = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(turn_at - time.monotonic()):
                    await self._wanted.wait()

    async def _ask(self, feeds: list[Feed], now: float) -> None:
        try:
            found = await self._gate.poll([feed.poll for feed in feeds])
        except HeadraceError as error:
            found = [error] * len(feeds)
        for feed, one in zip(feeds, found, strict=True):
            try:
                feed.take(one, now)
            except Exception:  # there may be no memory for it, but others still get theirs
                log.exception("a topic of the page cannot be told")
                feed.is_over = True

    def _end_sessions(self) -> None:
        """End the streams of those who have logged out, or whose keys are no longer valid."""
        marks = self._gate.marks
        for stream in self._streams:
            if stream.visitor.holder.mark not in marks or not stream.is_live():
                stream.end("logged_out")


async def serve_stream(request: Request) -> Response:
    """Answer a request for a stream."""
    query: Any = read_query(request, StreamQuery)
    for topic in query.topic:
        if (wanted := WANTED.get(topic)) and not getattr(query, wanted):
            raise BoundsError(f"the topic {topic} wants the parameter {wanted!r}")
    hub: Hub = request.app.state.hub
    if request.method == "HEAD":
        return Response(media_type="text/event-stream")
    return _StreamAnswer(hub, hub.open(request), query)


class _StreamAnswer(StreamingResponse):
    """A stream as an answer."""

    def __init__(self, hub: Hub, stream: Stream, query: Any) -> None:
        headers = {"X-Accel-Buffering": "no"}  # otherwise a proxy would buffer it
        super().__init__(
            _listen(hub, stream, query), media_type="text/event-stream", headers=headers
        )
        self._hub = hub
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._hub.close(self._stream)


async def _listen(hub: Hub, stream: Stream, query: Any) -> AsyncIterator[bytes]:
    tasks: list[asyncio.Task[None]] = []
    try:
        for topic in dict.fromkeys(query.topic):
            if topic in {"events", "logs"}:
                loop = asyncio.get_running_loop()
                tasks.append(loop.create_task(_read_on(hub, stream, topic, query)))
            else:
                about, make = choose_feed(topic, query)
                hub.follow(stream, topic, about, make)
        async for piece in stream.listen():
            yield piece
    finally:
        for task in tasks:
            task.cancel()


async def _read_on(hub: Hub, stream: Stream, topic: str, query: Any) -> None:
    """Send what comes after a cursor, for as long as there may be more."""
    cursor, last = query.cursor, query.last
    while True:
        request: Any
        if topic == "events":
            request = EventRequest(cursor, WAIT_SECONDS, 0, query.job, last)
        else:
            request = LogRequest(query.job, cursor, WAIT_SECONDS)
        try:
            page, message = await hub.read(stream.visitor, topic, request)
        except HeadraceError as error:
            await stream.put_all(topic, write_problem(error, topic))
            if find_status(error) < 500:
                return
        else:
            is_complete = getattr(page, "complete", False)
            if page.cursor != cursor or is_complete:
                cursor, last = page.cursor, 0
                await stream.put_all(topic, message)
            if is_complete:
                return
        await hub.wait_for_turn()


ROUTES = [Route(f"{PREFIX}/stream", serve_stream)]
