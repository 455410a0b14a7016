"""Presents the results of a job on a page. They are decoded in a separate process, never here.

    ResultQueue.fetch ─► spans of values ─► socket ─► headrace_services.presenting
                                                      └─► a summary, or a file as it comes ─► HTTP

The process has limits and no key, and is killed when nobody waits for it any more, or after its
time limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Hashable, Iterable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from headrace_coordinator.web.shared_work import SharedWork
from headrace_wire.errors import BusyError, HeadraceError, JobStateError
from headrace_wire.messages.results import ResultSpan
from headrace_wire.open_files import explain_system_error
from headrace_wire.presenting import END, MODULE, Order, write_head
from headrace_wire.stream import drop
from headrace_wire.system.own_group import OWN_GROUP

log = logging.getLogger(__name__)

#: The maximum number of processes at a time for summaries, and of those for files; how many of them
#: one key may have; and how many seconds a further request waits for its turn.
MOST_AT_ONCE = 4
MOST_OF_KEY = 3
TURN_SECONDS = 10.0

#: How many seconds a summary may take, and the first byte of a file.
ANSWER_SECONDS = 60.0

#: How many seconds a process that has sent everything may take to end.
END_SECONDS = 5.0

#: How often, in seconds, it is checked whether the process has ended.
LOOK_SECONDS = 0.02

#: How many bytes of a file are passed on at a time; and the maximum sizes of a summary, and of the
#: line before a file.
PIECE_BYTES = 1 << 16
MAX_SUMMARY_BYTES = 16 << 20
MAX_LINE_BYTES = 4096

#: The variables of this process's environment that the other process gets.
KEPT = frozenset(
    {
        *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME"),
        *("PYTHONPATH", "SYSTEMROOT", "TZ", "VIRTUAL_ENV"),
    }
)

#: The beginning of URLs that contain a JPEG themselves.
JPEG_URL = "data:image/jpeg;base64,"

Text = Annotated[str, Meta(max_length=500)]
FileName = Annotated[str, Meta(pattern=r"\A([a-z]{1,40}(\.[a-z]{1,5})?)?\Z")]
Number = Annotated[int, Meta(ge=0, le=2**62)]

#: A JPEG file in base64, or nothing.
Jpeg = Annotated[str, Meta(max_length=400_000, pattern=r"\A(/9j/[A-Za-z0-9+/]*={0,2})?\Z")]


class ShownPicture(Struct, frozen=True):
    """A picture of a job before and after, each as a URL that contains it; "" if there is none."""

    name: Text
    before: Jpeg
    after: Jpeg
    size_before: tuple[Number, Number]
    size_after: tuple[Number, Number]
    bytes_in: Number
    bytes_out: Number


class Summary(Struct, frozen=True):
    """What a page shows of a job's results: facts, which are names with values, and pictures.

    ``message`` says why there are none. ``download`` is the name of the file with all results, ""
    if there is none. ``parameters`` are those of the job, by name.
    """

    message: Text = ""
    download: FileName = ""
    facts: Annotated[tuple[tuple[Text, Text], ...], Meta(max_length=20)] = ()
    pictures: Annotated[tuple[ShownPicture, ...], Meta(max_length=24)] = ()
    parameters: Annotated[tuple[tuple[Text, Text], ...], Meta(max_length=40)] = ()
    ready: bool = True


class _Line(Struct, frozen=True):
    """The first line: an error, or the name of the file."""

    error: Text = ""
    name: FileName = ""


def choose_closed(folders: Iterable[Path]) -> tuple[str, ...]:
    """Return those folders that can be closed to the process, because nothing of Python is in
    them.
    """
    needed = [os.path.realpath(one) for one in (sys.prefix, sys.base_prefix, *sys.path) if one]
    real = {os.path.realpath(folder) for folder in folders}
    return tuple(
        folder
        for folder in sorted(real)
        if not any(f"{path}/".startswith(f"{folder.rstrip('/')}/") for path in needed)
    )


class Presenter:
    """Runs these processes. ``closed`` are folders that they cannot access."""

    def __init__(self, closed: tuple[str, ...] = ()) -> None:
        self.closed = closed
        # A file may take as long as its reader does, so no summary waits for one.
        self._summaries, self._files = Turns(), Turns()
        self._wanted = SharedWork[Summary]()
        self._reaping: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Wait for killed processes, after the last one was started."""
        if self._reaping:
            await asyncio.wait(self._reaping, timeout=END_SECONDS)

    async def summarize(
        self, key: str, stage: Hashable, order: Order, spans: AsyncIterator[ResultSpan]
    ) -> Summary:
        """Return a summary of a job's results, for the holder of a key. Raises HeadraceError with
        the reason if there is none.

        Pages of one key that request it at the same time, at the same ``stage`` of the job, share
        one process, which is killed when none of them waits any more.
        """
        return await self._wanted.take((key, stage), lambda: self.sum_up(key, order, spans))

    async def sum_up(self, key: str, order: Order, spans: AsyncIterator[ResultSpan]) -> Summary:
        """Summarize the results of a job in a separate process. Raises HeadraceError."""
        async with self._summaries.take(key), self._run(order, spans) as process:
            text = await process.answer(process.output.read(MAX_SUMMARY_BYTES))
            while not process.output.at_eof() and len(text) < MAX_SUMMARY_BYTES:
                text += await process.answer(process.output.read(MAX_SUMMARY_BYTES))
        _raise_error(text)
        try:
            summary = msgspec.json.decode(text, type=Summary)
        except msgspec.DecodeError:
            raise _explain_nothing() from None
        pictures = [
            replace(one, before=_make_url(one.before), after=_make_url(one.after))
            for one in summary.pictures
        ]
        return replace(summary, ready=not summary.message, pictures=tuple(pictures))

    async def open_file(self, key: str, order: Order, spans: AsyncIterator[ResultSpan]) -> OpenFile:
        """Begin to write the file with a job's results. Raises HeadraceError."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._files.take(key))
            process = await stack.enter_async_context(self._run(order, spans))
            try:
                line = await process.answer(process.output.readline())
            except ValueError:  # it is too long
                raise _explain_nothing() from None
            _raise_error(line)
            try:
                name = msgspec.json.decode(line, type=_Line).name
            except msgspec.DecodeError:
                raise _explain_nothing() from None
            return OpenFile(name, process, stack.pop_all())

    @asynccontextmanager
    async def _run(
        self, order: Order, spans: AsyncIterator[ResultSpan]
    ) -> AsyncGenerator[_Process]:
        try:
            process = _Process()
        except OSError as error:
            raise BusyError(
                "the coordinator cannot open results just now "
                f"({explain_system_error(error)}): try again later"
            ) from None
        try:
            await process.begin(order, spans)
            yield process
        finally:
            process.end()
            reaping = asyncio.get_running_loop().create_task(process.reap())
            self._reaping.add(reaping)
            reaping.add_done_callback(self._reaping.discard)


class Turns:
    """Limits how many are admitted at a time, and how many of one key."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._news = asyncio.Event()

    @asynccontextmanager
    async def take(self, key: str) -> AsyncGenerator[None]:
        """Take a place, and leave it in the end. Raises BusyError if none becomes free."""
        try:
            async with asyncio.timeout(TURN_SECONDS):
                while self._taken.total() == MOST_AT_ONCE or self._taken[key] == MOST_OF_KEY:
                    await self._news.wait()
        except TimeoutError:
            raise BusyError("other results are being opened just now: try again later") from None
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            self._taken += Counter()  # removes keys without a place
            self._news.set()
            self._news = asyncio.Event()


class OpenFile:
    """A file that is being written, to be read once and closed in any case."""

    def __init__(self, name: str, process: _Process, stack: AsyncExitStack) -> None:
        self.name = name
        self._process = process
        self._stack = stack

    async def read(self) -> AsyncGenerator[bytes]:
        """Yield the content. Raises HeadraceError if it ends too soon."""
        while piece := await self._process.output.read(PIECE_BYTES):
            yield piece
        if await self._process.find_status():
            raise HeadraceError("the results of a job could not be read to their end")

    async def close(self) -> None:
        """End the process that writes the file."""
        await self._stack.aclose()


class _Process:
    """One process, its output, and the values that it is sent meanwhile."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name in KEPT}
        # These are sockets and not pipes: uvloop closes the descriptor of a pipe twice, and in
        # between it may have become another thread's.
        with ExitStack() as ours, ExitStack() as theirs:
            ends = [socket.socketpair() for _ in range(2)]
            self._input, self._said = (ours.enter_context(one) for one, _ in ends)
            stdin, stdout = (theirs.enter_context(one) for _, one in ends)
            self._popen = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-P", "-m", MODULE],
                stdin=stdin.fileno(),
                stdout=stdout.fileno(),
                stderr=subprocess.DEVNULL,
                cwd=os.path.abspath(os.sep),  # noqa: PTH100 - text
                env=environment,
                **OWN_GROUP,
            )
            ours.pop_all()
        self.output = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        self._transports: list[asyncio.WriteTransport] = []
        self._feeding: asyncio.Task[None] | None = None
        self._problem: HeadraceError | None = None

    async def begin(self, order: Order, spans: AsyncIterator[ResultSpan]) -> None:
        """Send the order, and continue with the values."""
        loop = asyncio.get_running_loop()
        protocol = asyncio.StreamReaderProtocol(self.output)
        reading, _ = await loop.create_connection(lambda: protocol, sock=self._said)
        self._transports.append(reading)
        _, writer = await asyncio.open_connection(sock=self._input)
        self._transports.append(writer.transport)
        self._feeding = loop.create_task(self._feed(writer, order, spans))

    async def answer(self, reading: Coroutine[object, object, bytes]) -> bytes:
        """Wait for something from the process. Raises HeadraceError if it does not arrive."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                said = await reading
        except TimeoutError:
            raise HeadraceError(
                f"the results were not opened within {ANSWER_SECONDS:.0f} seconds: fetch them with "
                "`headrace results`"
            ) from None
        if not said and self._problem:
            raise self._problem
        return said

    async def find_status(self) -> int:
        """Return the exit status of the process, which is about to end."""
        try:
            async with asyncio.timeout(END_SECONDS):
                while (status := self._popen.poll()) is None:  # noqa: ASYNC110 - there is no event for it
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            return 1
        return status

    def end(self) -> None:
        """Kill the process, and free everything."""
        if self._feeding:
            self._feeding.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._popen.kill()
        for transport in self._transports:
            transport.abort()
        for end in (self._input, self._said):  # no transport may have taken them over
            drop(end)

    async def reap(self) -> None:
        """Wait for the end of the process, which is near. No thread does this, because there may be
        no memory for one.
        """
        while self._popen.poll() is None:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(LOOK_SECONDS)

    async def _feed(
        self, writer: asyncio.StreamWriter, order: Order, spans: AsyncIterator[ResultSpan]
    ) -> None:
        try:
            writer.write(order.encode())
            async for span in spans:
                writer.write(write_head(span.start, len(span.values)))
                writer.write(span.values)
                await writer.drain()
            writer.write(END)
            await writer.drain()
        except ConnectionError:
            pass  # it needs no more
        except HeadraceError as error:
            self._problem = error
        finally:
            writer.close()


def _raise_error(said: bytes) -> None:
    """Raise the error in a first line."""
    if not said:
        raise _explain_nothing()
    with contextlib.suppress(msgspec.DecodeError):
        line = msgspec.json.decode(said, type=_Line)
        if line.error:
            raise JobStateError(line.error)


def _explain_nothing() -> HeadraceError:
    return HeadraceError("the results of this job cannot be read")


def _make_url(jpeg: str) -> str:
    return jpeg and JPEG_URL + jpeg
