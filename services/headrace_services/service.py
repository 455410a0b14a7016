"""What a service is: how to plan a job, run one task of it, and put the results together.

A service is plain Python and knows nothing of the network. Third parties add one with an entry
point in the group ``headrace.services`` that names an object of this shape; the built-in ones come
the same way.

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

#: What a job is about, in plain values that msgpack carries; it travels to every slot that runs
#: one of its tasks, and to whoever gathers its results. Where ``prepare`` leaves something behind
#: in its process that other jobs must not see, they have a text ``tenant``: a slot that has run a
#: job of one tenant runs jobs of no other.
Parameters = Mapping[str, object]


@dataclass(frozen=True)
class Kept:
    """A parameter that is too large to travel with the others: a file of this machine.

    ``content`` is what is in it, where that is known already.
    """

    path: str
    size_bytes: int
    content: memoryview | None = field(default=None, compare=False, repr=False)

    def open(self) -> memoryview:
        """Its content, which is in memory once for all who open it. Raises OSError."""
        if self.content is not None:
            return self.content
        with open(self.path, "rb") as file:  # noqa: PTH123 - as given
            return map_file(file.fileno(), self.size_bytes)


def map_file(number: int, size_bytes: int) -> memoryview:
    """The content of an open file, which may be closed then. Raises OSError and ValueError."""
    from mmap import ACCESS_READ, mmap  # noqa: PLC0415 - few jobs have one

    return memoryview(mmap(number, size_bytes, access=ACCESS_READ))


#: Runs one task: its index in the job and its carried input (None where the index is enough).
#: Returns the encoded value; any exception is the task's failure, and its text is shown to people.
TaskRunner = Callable[[int, bytes | None], bytes]

#: The largest value of a task, in bytes: it travels in one message, whose limit is a little above.
MAX_VALUE_BYTES = 240 << 20

#: The most that a service may have to tell of an exception, in bytes; more is dropped.
MAX_DETAIL_BYTES = 1 << 20


class Outputs(Struct, frozen=True):
    """The files that a plan's client wants, one for each task: ``names`` beneath ``folder``.

    With ``single`` there is one, and its name is the user's own, too. They are kept by the client:
    what comes back from the network names no file.
    """

    folder: Path
    names: Sequence[str]
    single: bool = False


class Made(Protocol):
    """Remembers which files were made here, so that they may be made anew."""

    def is_ours(self, place: Path, found: os.stat_result) -> bool:
        """Whether a file that is there was made here, and not changed since."""
        ...

    def add(self, place: Path, written: os.stat_result) -> None:
        """Take note of a file that was written."""
        ...


class Plan(Struct, frozen=True):
    """A job as a service plans it.

    ``inputs`` is None where a task's index is enough to make its input; otherwise ``tasks`` inputs
    in index order, read lazily and once, each already encoded. ``cut`` plans the same job for so
    many slots; None where their number makes no difference. ``outputs`` are the files that the
    values become, of a service that writes one for each task.
    """

    operation: str
    parameters: Parameters
    tasks: int
    inputs: Iterable[bytes] | None = None
    cut: Callable[[int], Plan] | None = None
    outputs: Outputs | None = None


class Target(Struct, frozen=True):
    """Where the user wants a result: a file or folder, or else ``stream`` (standard output).

    ``format`` is one of the operation's own words, None for its default. ``outputs`` are those of
    the job's plan, if it was made here: names of files come from there and from nowhere else. None
    for a job that was submitted elsewhere. In a folder, only files that were ``made`` here are
    replaced; with ``overwrite`` others, too.
    """

    stream: BinaryIO
    path: Path | None = None
    format: str | None = None
    outputs: Outputs | None = None
    overwrite: bool = False
    made: Made | None = None


class Gathered(Struct, frozen=True):
    """A job's results, put together.

    ``result`` is what JSON output shows (None where the result went to the stream), ``text`` what
    plain output shows on standard output or writes to the target's file (the result as JSON if that
    is ""), ``written`` what people are told that the service has written, and where ("" for
    nothing), ``problems`` one line for each output that could not be written although its task was
    done.
    """

    result: object = None
    text: str = ""
    written: str = ""
    problems: tuple[str, ...] = ()


class Service(Protocol):
    """A kind of work that a worker can do."""

    @property
    def name(self) -> str:
        """The word for it on the command line, in metrics and in logs."""
        ...

    @property
    def operations(self) -> tuple[str, ...]:
        """The words for what it can do."""
        ...

    def engine(self) -> str:
        """Which library does the work here, with its version, for ``headrace workers``.

        Raises ImportError or OSError where this machine cannot do the work at all.
        """
        ...

    def prepare(self, operation: str, parameters: Parameters) -> TaskRunner:
        """Make ready to run tasks of one job. Called in a slot, once a job.

        Raises ValueError for an unknown operation or wrong parameters.
        """
        ...

    def describe(
        self, operation: str, parameters: Parameters, index: int, task_input: bytes | None
    ) -> str:
        """Name a task in at most 200 characters, such as a range or a file's name.

        Never raises: it is asked about tasks that went wrong.
        """
        ...

    def is_ordered(self, operation: str) -> bool:
        """Tell whether ``gather`` needs the values in index order rather than as they come."""
        ...

    def gather(
        self,
        operation: str,
        parameters: Parameters,
        values: Iterator[tuple[int, bytes]],
        target: Target,
    ) -> Gathered:
        """Put ``(index, value)`` pairs together; a failed task has no pair.

        Streams: never holds all the values of a large job. Raises OutputError where a missing
        value spoils the result, or the target cannot be written.
        """
        ...


@runtime_checkable
class DetailedService(Protocol):
    """A service that tells its client more of a task's exception than text."""

    def detail(self, error: BaseException, parameters: Parameters) -> bytes:
        """Encode an exception of a job's task, in ``MAX_DETAIL_BYTES`` at most.

        Called in a slot; what it gives is opaque to everybody between.
        """
        ...
