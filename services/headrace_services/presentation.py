"""What a page shows of a job's results, and the file that it offers: the part of the services.

values of a job ─► summarize ─► Summary: facts and pictures, a few of each
└► write_download ─► a file, as it comes
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO, Protocol, runtime_checkable

from msgspec import Struct

from headrace_services.service import Parameters, Service, Target
from headrace_wire.errors import OutputError

#: The maximum number of pictures in a summary.
MOST_PICTURES = 8

#: The name of the file if the service has no name for it.
NO_NAME = "results"

#: Values, each with the index of its task, in index order.
Values = Iterator[tuple[int, bytes]]


class Presented(Struct, frozen=True):
    """The job whose results are shown. ``done`` of its ``tasks`` have a value."""

    operation: str
    parameters: Parameters
    tasks: int
    done: int
    ended: bool

    @property
    def is_whole(self) -> bool:
        """Whether each task has a value."""
        return self.done == self.tasks


class ShownPicture(Struct, frozen=True):
    """A picture before and after, as JPEG files of at most some hundred pixels, or b""."""

    name: str
    before: bytes
    after: bytes
    size_before: tuple[int, int]
    size_after: tuple[int, int]
    bytes_in: int
    bytes_out: int


class Summary(Struct, frozen=True):
    """What is shown. Each fact has a name and a value; ``message`` says why there are none."""

    facts: tuple[tuple[str, str], ...] = ()
    pictures: tuple[ShownPicture, ...] = ()
    message: str = ""


@runtime_checkable
class PresentedService(Protocol):
    """A service that decides what is shown of its results."""

    def name_download(self, operation: str, parameters: Parameters) -> str:
        """Return the name of the file with the results; "" if there can be no file."""
        ...

    def summarize(self, about: Presented, values: Values) -> Summary:
        """Summarise the values. It need not read all of them."""
        ...

    def write_download(self, about: Presented, values: Values, stream: BinaryIO) -> None:
        """Write all values to a stream. Raises OutputError."""
        ...


@runtime_checkable
class DiscreetService(Protocol):
    """A service that has parameters which mean nothing to people."""

    @property
    def inner_parameters(self) -> frozenset[str]:
        """The names of these parameters. The page only shows the others."""
        ...


def name_download(service: Service, about: Presented) -> str:
    """Return the name of the file with a job's results; "" if there can be no file."""
    if isinstance(service, PresentedService):
        return service.name_download(about.operation, about.parameters)
    return NO_NAME


def summarize(service: Service, about: Presented, values: Values) -> Summary:
    """Summarise the values of a job."""
    if isinstance(service, PresentedService):
        return service.summarize(about, values)
    return Summary((("Values", f"{about.done:,}"),))


def write_download(service: Service, about: Presented, values: Values, stream: BinaryIO) -> None:
    """Write the values of a job to a stream. Raises OutputError."""
    if isinstance(service, PresentedService):
        service.write_download(about, values, stream)
    else:
        gather_to_stream(service, about, values, stream)


def gather_to_stream(
    service: Service,
    about: Presented,
    values: Values,
    stream: BinaryIO,
    file_format: str | None = None,
) -> None:
    """Write what the command line would write to its standard output. Raises OutputError."""
    target = Target(stream, format=file_format)
    gathered = service.gather(about.operation, about.parameters, values, target)
    if gathered.text:
        stream.write(gathered.text.encode(errors="backslashreplace"))
    elif gathered.result is not None:
        try:
            text = json.dumps(gathered.result, ensure_ascii=False)
        except (TypeError, ValueError):
            raise OutputError(
                "the service of this job writes no file that could be sent: use `headrace results`"
            ) from None
        stream.write(text.encode(errors="backslashreplace") + b"\n")
