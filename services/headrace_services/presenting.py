"""The process that opens the results of one job for a page: ``python -m …`` with two sockets.

    standard input   an order, and then the values in spans, with an end marker
    standard output  a summary as JSON; or a line of JSON, and then the file itself

Results come from workers, whose operators may have put anything into them. So they are opened in
this process, which has limits and no key. If it dies, nothing else is affected.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import sys
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, BinaryIO, cast

from headrace_services.presentation import (
    DiscreetService,
    Presented,
    Summary,
    name_download,
    summarize,
    write_download,
)
from headrace_services.registry import load_service
from headrace_services.service import Parameters, Service
from headrace_wire.batch import unpack_batch
from headrace_wire.encoding import unpack
from headrace_wire.errors import HeadraceError
from headrace_wire.presenting import Order, read_span
from headrace_wire.system import rlimits
from headrace_wire.system.landlock import close_folders

#: How much writable memory this process may have, in bytes.
MEMORY_BYTES = 1 << 30

#: How many processor seconds it may use.
CPU_SECONDS = 600

#: By how much its priority is lower than that of the coordinator and of other processes.
NICENESS = 10

#: The exit status if the output is incomplete.
EXIT_FAILED = 1

#: The message about results that are not kept any more.
DELIVERED = "The results were delivered and dropped: whoever submitted the job has them."

#: The maximum number of characters of an error message.
_MESSAGE_CHARACTERS = 500

#: How many parameters are shown, and how many characters of their names and of their values.
_MOST_PARAMETERS = 40
_NAME_CHARACTERS = 100
_TEXT_CHARACTERS = 300

#: Numbers from here on are not divided into groups of digits.
_LONG_NUMBER = 10**40


def main() -> int:
    """Present the results that come on standard input."""
    limit()
    source = os.fdopen(os.dup(0), "rb")
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that what a library prints does not get into the output
    return run(source, output)


def run(source: BinaryIO, stream: BinaryIO) -> int:
    """Present results that are read from ``source``. Returns the exit status."""
    output = Output(stream)
    try:
        order = Order.read(source)
        if order.closed:
            with contextlib.suppress(OSError):  # not every system supports this
                close_folders(order.closed)
        present(order, read_values(source), output)
    except HeadraceError as error:
        return output.fail(error.message)
    except (ConnectionError, EOFError):
        return EXIT_FAILED  # nobody is left to read it
    except MemoryError:
        return output.fail("the results take more memory to open than there is for that")
    except Exception as error:  # noqa: BLE001 - results and services may be anything
        return output.fail(f"the results cannot be read ({type(error).__name__})")
    return 0


def present(order: Order, values: Iterator[tuple[int, bytes]], output: Output) -> None:
    """Write what the order asks for. Raises the errors of services."""
    parameters: object = unpack(order.parameters)
    if not isinstance(parameters, dict):
        raise ValueError("the job's parameters are no map")  # noqa: TRY004 - wrong parameters
    about = Presented(
        order.operation, cast("Any", parameters), order.tasks, order.done, order.ended
    )
    if order.summary:
        shown = list_parameters(about.parameters, _find_inner(order.service))
        output.write(_encode(*_summarize(order, about, values), shown))
    else:
        service: Service = load_service(order.service)
        output.name = name_download(service, about)
        if not output.name:
            raise HeadraceError("the results of this job are not here to be sent")
        write_download(service, about, values, cast("BinaryIO", output))
        output.write(b"")
    output.flush()


def _summarize(
    order: Order, about: Presented, values: Iterator[tuple[int, bytes]]
) -> tuple[Summary, str]:
    """Return a summary, and the name of the file. Errors become the summary's message."""
    if not order.kept:
        return Summary(message=DELIVERED), ""
    try:
        service: Service = load_service(order.service)
        return summarize(service, about, values), name_download(service, about)
    except HeadraceError as error:
        return Summary(message=error.message[:_MESSAGE_CHARACTERS]), ""
    except (EOFError, ConnectionError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - results and services may be anything
        return Summary(message=f"The results cannot be read ({type(error).__name__})."), ""


def list_parameters(parameters: Parameters, inner: Collection[str] = ()) -> list[tuple[str, str]]:
    """Return the parameters of a job as texts for people, without those that are ``inner``."""
    chosen = (
        (name, value) for name, value in parameters.items() if name not in inner and value != ""
    )
    return [
        (str(name)[:_NAME_CHARACTERS], _show(value))
        for name, value in islice(chosen, _MOST_PARAMETERS)
    ]


def _find_inner(name: str) -> Collection[str]:
    """Return the names of the parameters that a service does not show."""
    with contextlib.suppress(HeadraceError):  # it may not be installed here
        service = load_service(name)
        return service.inner_parameters if isinstance(service, DiscreetService) else ()
    return ()


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return f"{memoryview(value).nbytes:,} bytes"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LONG_NUMBER:
        return f"{value:,}"
    if isinstance(value, str):
        is_number = value.isascii() and value.isdecimal() and len(value) < _TEXT_CHARACTERS // 2
        text = f"{int(value):,}" if is_number else value
    else:
        text = repr(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _TEXT_CHARACTERS else f"{text[: _TEXT_CHARACTERS - 1]}…"


def read_values(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Read values, each with its task's index. Raises EOFError if the end marker is missing."""
    while (span := read_span(source)) is not None:
        start, batch = span
        yield from enumerate(unpack_batch(batch), start)


def limit() -> None:
    """Permanently give up what this process does not need."""
    rlimits.lower("RLIMIT_DATA", MEMORY_BYTES)
    rlimits.lower("RLIMIT_CPU", CPU_SECONDS)
    rlimits.lower("RLIMIT_CORE", 0)
    rlimits.lower("RLIMIT_FSIZE", 0)
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(NICENESS)


class Output(io.RawIOBase):
    """The standard output. If ``name`` is set, the file's name is written before its first byte."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._begun = False
        self.name = ""

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def write(self, data: Any, /) -> int:
        """Write all of the data."""
        if not self._begun:
            self._begun = True
            if self.name:
                self._stream.write(_dump({"name": self.name}) + b"\n")
        with memoryview(data) as view:
            self._stream.write(view)
            return view.nbytes

    def flush(self) -> None:
        """Flush what was written."""
        self._stream.flush()

    def fail(self, message: str) -> int:
        """Write an error, if nothing was written yet. Returns the exit status."""
        if not self._begun:
            with contextlib.suppress(OSError):
                self._stream.write(_dump({"error": message[:_MESSAGE_CHARACTERS]}) + b"\n")
                self._stream.flush()
        return EXIT_FAILED


def _encode(summary: Summary, name: str, parameters: list[tuple[str, str]]) -> bytes:
    pictures = [
        {
            **{field: getattr(one, field) for field in one.__struct_fields__},
            "before": base64.b64encode(one.before).decode(),
            "after": base64.b64encode(one.after).decode(),
        }
        for one in summary.pictures
    ]
    shown = {"message": summary.message, "facts": summary.facts, "pictures": pictures}
    return _dump({**shown, "download": name, "parameters": parameters})


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()


if __name__ == "__main__":
    sys.exit(main())
