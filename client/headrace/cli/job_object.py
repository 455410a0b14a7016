"""A job as one JSON object that contains its result, however large that is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO, cast

from msgspec.structs import replace

from headrace.cli.printing import say_json, say_text
from headrace.cli.show import show_status
from headrace_services.service import Target
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.printing import write_json

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
    """A stream whose content becomes the result within the object."""

    is_begun = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, content: bytes) -> int:
        self._begin()
        return self._stream.write(content)

    def writelines(self, lines: Iterable[bytes]) -> None:
        self._begin()
        self._stream.writelines(lines)

    def _begin(self) -> None:
        if not self.is_begun:
            self._stream.write(OPENING)
            self.is_begun = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
