"""What a service is: how to plan a job, run one of its tasks, and combine the results.

A service is plain Python and knows nothing about the network. Third parties add one with an entry
point in the group ``headrace.services`` that names an object with this interface; the built-in
services are added in the same way.

    the service's own plan functions (client) ─► Plan: how many tasks, which inputs
                                                  │ the network
    prepare (slot, once a job) ─► TaskRunner(index, input) -> value (slot, once a task)
                                                  │ the network
    gather (client, values as they come or in index order) ─► Gathered
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from msgspec import Struct

#: What a job is about, in plain values that msgpack can encode. They are sent to every slot that
#: runs one of its tasks, and to whoever gathers its results. If ``prepare`` leaves something behind
#: in its process that other jobs must not see, the parameters contain a text ``tenant``: a slot
#: that has run a job of one tenant does not run jobs of any other.
Parameters = Mapping[str, object]


@dataclass(frozen=True)
class Kept:
    """A parameter that is too large to be sent with the others: a file on this machine.

    ``content`` is what the file contains, if that is known already.
    """

    path: str
    size_bytes: int
    content: memoryview | None = field(default=None, compare=False, repr=False)

    def open(self) -> memoryview:
        """Return its content, which is in memory only once for all who open it. Raises OSError."""
        if self.content is not None:
            return self.content
        with open(self.path, "rb") as file:  # noqa: PTH123 - as given
            return map_file(file.fileno(), self.size_bytes)


def map_file(number: int, size_bytes: int) -> memoryview:
    """Map an open file, which may be closed afterwards. Raises OSError and ValueError."""
    from mmap import ACCESS_READ, mmap  # noqa: PLC0415 - few jobs have one

    return memoryview(mmap(number, size_bytes, access=ACCESS_READ))


#: Runs one task. It gets the index in the job and the carried input (None if the index is enough).
#: It returns the encoded value; any exception means that the task failed, and its text is shown to
#: people.
TaskRunner = Callable[[int, bytes | None], bytes]

#: The largest value of a task, in bytes. It is sent in one message, whose limit is a little higher.
MAX_VALUE_BYTES = 240 << 20

#: The maximum size in bytes of what a service reports about an exception. More is dropped.
MAX_DETAIL_BYTES = 1 << 20


class Outputs(Struct, frozen=True):
    """The files that a plan's client wants, one per task: ``names`` beneath ``folder``.

    With ``single`` there is one file, and the user has also chosen its name. The names stay with
    the client: data from the network never decide the name of a file.
    """

    folder: Path
    names: Sequence[str]
    single: bool = False


class Made(Protocol):
    """Remembers which files were made here, so that they may be replaced."""

    def is_ours(self, place: Path, found: os.stat_result) -> bool:
        """Return whether an existing file was made here and has not been changed since."""
        ...

    def add(self, place: Path, written: os.stat_result) -> None:
        """Note a file that was written."""
        ...


class Plan(Struct, frozen=True):
    """A job as a service plans it.

    ``inputs`` is None if a task's index is enough to make its input. Otherwise it yields ``tasks``
    encoded inputs in index order; it is read lazily and once. ``cut`` plans the same job for a
    number of slots, or is None if that makes no difference. ``outputs`` are the files that the
    values become, if the service writes one for each task.
    """

    operation: str
    parameters: Parameters
    tasks: int
    inputs: Iterable[bytes] | None = None
    cut: Callable[[int], Plan] | None = None
    outputs: Outputs | None = None


class Target(Struct, frozen=True):
    """Where the user wants a result: in a file or folder, or else in ``stream`` (standard output).

    ``format`` is one of the operation's own words, or None for its default. ``outputs`` are those
    of the job's plan if it was made here, as the names of files come from there and from nowhere
    else; it is None for a job that was submitted elsewhere. In a folder, only files that were
    ``made`` here are replaced; with ``overwrite``, others are replaced, too.
    """

    stream: BinaryIO
    path: Path | None = None
    format: str | None = None
    outputs: Outputs | None = None
    overwrite: bool = False
    made: Made | None = None


class Gathered(Struct, frozen=True):
    """A job's combined results.

    ``result`` is what JSON output shows (None if the result went to the stream). ``text`` is what
    plain output shows on standard output or writes to the target's file; if it is "", the result is
    written as JSON. ``written`` tells people what the service has written, and where ("" for
    nothing). ``problems`` has one line for each output that could not be written although its task
    was done.
    """

    result: object = None
    text: str = ""
    written: str = ""
    problems: tuple[str, ...] = ()


class Service(Protocol):
    """A kind of work that a worker can do."""

    @property
    def name(self) -> str:
        """The service's name on the command line, in metrics and in logs."""
        ...

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of its operations."""
        ...

    def engine(self) -> str:
        """Return which library does the work here, with its version, for ``headrace workers``.

        Raises ImportError or OSError if this machine cannot do the work at all.
        """
        ...

    def prepare(self, operation: str, parameters: Parameters) -> TaskRunner:
        """Prepare to run tasks of one job. This is called in a slot, once per job.

        Raises ValueError for an unknown operation or wrong parameters.
        """
        ...

    def describe(
        self, operation: str, parameters: Parameters, index: int, task_input: bytes | None
    ) -> str:
        """Name a task in at most 200 characters, for example by a range or a file's name.

        It never raises an exception, because it is also called for tasks that went wrong.
        """
        ...

    def is_ordered(self, operation: str) -> bool:
        """Return whether ``gather`` needs the values in index order rather than as they come."""
        ...

    def gather(
        self,
        operation: str,
        parameters: Parameters,
        values: Iterator[tuple[int, bytes]],
        target: Target,
    ) -> Gathered:
        """Combine ``(index, value)`` pairs. A failed task has no pair.

        This never holds all values of a large job in memory. Raises OutputError if a missing value
        makes the result useless, or if the target cannot be written.
        """
        ...


@runtime_checkable
class DetailedService(Protocol):
    """A service that reports more about a task's exception to its client than text."""

    def detail(self, error: BaseException, parameters: Parameters) -> bytes:
        """Encode an exception of a job's task, in at most ``MAX_DETAIL_BYTES``.

        This is called in a slot. Nobody but the client interprets the result.
        """
        ...
