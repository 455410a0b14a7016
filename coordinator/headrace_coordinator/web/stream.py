"""What pages are told while they are open: server-sent events, at most one of a topic a second.

    browsers ─► Stream ─► Feed of a topic ─► one call of the API a second for all who see the same

Where there is something to read from a place on, events and log lines, each stream has calls of its
own that wait for more. Every stream ends with the session that began it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta, Struct, defstruct
from msgspec.structs import fields as list_fields
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from headrace_coordinator.web.gate import Gate, Visitor
from headrace_coordinator.web.json_api import PREFIX, read_query
from headrace_coordinator.web.methods import Method, list_methods
from headrace_coordinator.web.problems import describe_error, find_status
from headrace_coordinator.web.twins import to_twin
from headrace_wire.bounds import Count, OptionalLabel, read_hints
from headrace_wire.errors import BoundsError, BusyError, HeadraceError
from headrace_wire.messages import LogRequest
from headrace_wire.views import EventRequest

#: Seconds between two events of a topic.
TURN_SECONDS = 1.0

#: Seconds between looks at whose session has ended.
WATCH_SECONDS = 1.0

#: Seconds after which a stream without news says that it is there.
SILENT_SECONDS = 15.0

#: Seconds that a call may wait for events or log lines.
WAIT_SECONDS = 20.0

#: Streams in all, and of one key.
MAX_STREAMS = 100
MAX_STREAMS_OF_KEY = 60

#: Running tasks that a page is told of.
MAX_TASKS_SHOWN = 100

#: Milliseconds after which a browser connects again.
RETRY = b"retry: 2000\n\n"

Topic = Literal["overview", "timeline", "jobs", "job", "workers", "worker", "events", "logs"]

#: Without what parameter a topic makes no sense.
WANTED: dict[str, str] = {"job": "job", "logs": "job", "worker": "worker"}

#: The method whose parameters choose jobs.
_JOBS: Method = next(one for one in list_methods() if one.name == "jobs.jobs")


def _make_query() -> type[Struct]:
    hints = read_hints(_JOBS.given)
    return defstruct(
        "stream",
        [
            ("topic", Annotated[tuple[Topic, ...], Meta(min_length=1, max_length=8)]),
            ("job", OptionalLabel, ""),
            ("worker", OptionalLabel, ""),
            ("cursor", Count, 0),
            ("last", Count, 0),
            *[(one.name, hints[one.name], one.default) for one in list_fields(_JOBS.given)],
        ],
        kw_only=True,
        forbid_unknown_fields=True,
        frozen=True,
    )


#: What a stream is asked for.
StreamQuery = _make_query()


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
    """One topic as some see it: asked for once a second, while anybody listens."""

    def __init__(self, topic: str, look: Callable[[], Awaitable[Any]]) -> None:
        self.streams: set[Stream] = set()
        self.message = b""
        self._topic = topic
        self._look = look
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            begun = time.monotonic()
            is_over = False
            try:
                message = write_event(self._topic, await self._look())
            except HeadraceError as error:
                message = write_problem(error, self._topic)
                is_over = find_status(error) < 500
            if message != self.message:
                self.message = message
                for stream in self.streams:
                    stream.put(self._topic, message)
            if is_over:
                return
            await asyncio.sleep(max(TURN_SECONDS / 10, begun + TURN_SECONDS - time.monotonic()))


class Hub:
    """All streams and feeds of an application, in the event loop of HTTP."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._streams: set[Stream] = set()
        self._feeds: dict[tuple[Any, ...], Feed] = {}
        self._watch: asyncio.Task[None] | None = None

    def open(self, request: Request) -> Stream:
        """A new stream for whoever made a request. Raises BusyError."""
        visitor: Visitor = request.state.visitor
        mark = visitor.holder.mark
        of_key = sum(one.visitor.holder.mark == mark for one in self._streams)
        is_full = len(self._streams) >= MAX_STREAMS or of_key >= MAX_STREAMS_OF_KEY
        if is_full or not request.state.is_seated:
            raise BusyError("too many pages are open: close some, or load this one again later")
        session, sessions = request.state.session, request.state.sessions
        stream = Stream(visitor, lambda: not session or sessions.find(session.text) is not None)
        self._streams.add(stream)
        if self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._watch_sessions())
        return stream

    def close(self, stream: Stream) -> None:
        """Forget a stream, and the feeds that nobody listens to any more."""
        self._streams.discard(stream)
        for key, feed in list(self._feeds.items()):
            feed.streams.discard(stream)
            if not feed.streams:
                feed.task.cancel()
                del self._feeds[key]

    def follow(
        self, stream: Stream, topic: str, about: Any, look: Callable[[], Awaitable[Any]]
    ) -> None:
        """Have a stream told of a topic, of what ``about`` says, with others who see the same."""
        key = (topic, about, self._gate.find_view(stream.visitor.holder))
        feed = self._feeds.get(key)
        if feed is None or feed.task.done():
            feed = self._feeds[key] = Feed(topic, look)
        feed.streams.add(stream)
        if feed.message:
            stream.put(topic, feed.message)

    async def stop(self) -> None:
        """End everything."""
        tasks = [feed.task for feed in self._feeds.values()]
        if self._watch:
            tasks.append(self._watch)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _watch_sessions(self) -> None:
        """End the streams of those who have logged out, or whose keys are taken no more."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if not self._streams:
                continue
            marks = await self._gate.list_marks()
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
        headers = {"X-Accel-Buffering": "no"}  # or a proxy would wait for more
        super().__init__(
            _listen(hub, stream, query), media_type="text/event-stream", headers=headers
        )
        self._hub = hub
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._hub.close(self._stream)


async def _listen(hub: Hub, stream: Stream, query: Any) -> AsyncIterator[bytes]:
    visitor = stream.visitor
    tasks: list[asyncio.Task[None]] = []
    try:
        for topic in dict.fromkeys(query.topic):
            match topic:
                case "events" | "logs":
                    loop = asyncio.get_running_loop()
                    tasks.append(loop.create_task(_read_on(stream, topic, query)))
                case "jobs":
                    given = {one: getattr(query, one) for one in _JOBS.given.__struct_fields__}
                    chosen = _JOBS.given(**given)
                    arguments = _JOBS.build({}, chosen)

                    async def look(arguments: dict[str, Any] = arguments) -> Any:
                        return await visitor.call("jobs.jobs", **arguments)

                    hub.follow(stream, topic, chosen, look)
                case "job":
                    hub.follow(stream, topic, query.job, lambda: _look_at_job(visitor, query.job))
                case "worker":
                    hub.follow(
                        stream, topic, query.worker, lambda: visitor.call("worker", query.worker)
                    )
                case "timeline":
                    hub.follow(stream, topic, None, lambda: visitor.call("timeline", 0.0))
                case _:

                    async def look_at_all(topic: str = topic) -> Any:
                        return await visitor.call(topic)

                    hub.follow(stream, topic, None, look_at_all)
        async for piece in stream.listen():
            yield piece
    finally:
        for task in tasks:
            task.cancel()


async def _look_at_job(visitor: Visitor, job: str) -> dict[str, Any]:
    status = await visitor.call("status", job)
    progress = await visitor.call("progress", job, MAX_TASKS_SHOWN)
    running = await visitor.call("running", job, MAX_TASKS_SHOWN)
    return {"status": status, "progress": progress, "running": running}


async def _read_on(stream: Stream, topic: str, query: Any) -> None:
    """Tell what comes after a cursor, for as long as there may be more."""
    cursor, last = query.cursor, query.last
    while True:
        request: Any
        if topic == "events":
            request = EventRequest(cursor, WAIT_SECONDS, 0, query.job, last)
        else:
            request = LogRequest(query.job, cursor, WAIT_SECONDS)
        try:
            page = await stream.visitor.call(topic, request)
        except HeadraceError as error:
            await stream.put_all(topic, write_problem(error, topic))
            if find_status(error) < 500:
                return
        else:
            is_complete = getattr(page, "complete", False)
            if page.cursor != cursor or is_complete:
                cursor, last = page.cursor, 0
                await stream.put_all(topic, write_event(topic, page))
            if is_complete:
                return
        await asyncio.sleep(TURN_SECONDS)


def write_event(topic: str, value: Any) -> bytes:
    """An event with a value as JSON, which has no line breaks."""
    parts = cast("dict[str, Any]", value) if isinstance(value, dict) else None
    shown = to_twin(value) if parts is None else {key: to_twin(parts[key]) for key in parts}
    return b"event: %s\ndata: %s\n\n" % (topic.encode(), msgspec.json.encode(shown))


def write_problem(error: HeadraceError, topic: str) -> bytes:
    """An event that says why there is nothing of a topic."""
    return b"event: problem\ndata: %s\n\n" % msgspec.json.encode(describe_error(error, topic))


ROUTES = [Route(f"{PREFIX}/stream", serve_stream)]
