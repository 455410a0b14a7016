"""A job as one JSON object that contains its result, however large that is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from msgspec.structs import replace

from headrace.cli.printing import say_json, say_text
from headrace.cli.show import show_status
from headrace_services.service import Target
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.printing import write_json

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: Services that write their results to standard output as they come; as JSON they are one value.
STREAMED = frozenset({"primes", "calls"})

#: What is printed before a result that is written in parts.
OPENING = b'{"result": '


class JobObject:
    """Prints the object. A result that comes in parts is its first member, any other its last."""

    def __init__(self) -> None:
        self._stream: _Within | None = None

    def aim(self, service: str, target: Target) -> Target:
        """Return where the service must write so that its output becomes a part of the object."""
        if target.path is not None or service not in STREAMED:
            return target
        self._stream = _Within(target.stream)
        return replace(target, stream=cast("BinaryIO", self._stream), format="json")

    @property
    def is_begun(self) -> bool:
        """Whether a part of it has been printed."""
        return self._stream is not None and self._stream.is_begun

    def finish(self, status: JobStatus, result: object) -> None:
        """Print the rest, or everything. Raises OutputError."""
        if self.is_begun:
            say_text(f", {write_json(show_status(status))[1:]}\n")
        else:
            say_json({**show_status(status), "result": result})


class _Within:
    """A stream whose content becomes the result within the object, without its last newline."""

    is_begun = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._newline = b""

    def write(self, content: Buffer) -> int:
        self._begin()
        whole = memoryview(content)
        ended = bytes(whole[-1:]) == b"\n"
        self._stream.write(self._newline)
        self._stream.write(whole[:-1] if ended else whole)
        self._newline = b"\n" if ended else b""
        return len(whole)

    def writelines(self, lines: Iterable[Buffer]) -> None:
        for line in lines:
            self.write(line)

    def _begin(self) -> None:
        if not self.is_begun:
            self._stream.write(OPENING)
            self.is_begun = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
