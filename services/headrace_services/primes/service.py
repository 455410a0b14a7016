"""The service ``primes``: what workers and clients can do about primes."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from headrace_services.primes.partition import Partition
from headrace_wire.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace_services.presentation import Presented, Summary
    from headrace_services.service import Gathered, Parameters, Target, TaskRunner

#: The maximum number of characters of a task's name.
_NAME_CHARACTERS = 200


class PrimesService:
    """Finds, counts and tests primes, and counts prime tuplets.

    The libraries that it needs (NumPy, gmpy2, primesieve) are only imported by the first call that
    uses them, so that a command line that only plans or explains stays fast.
    """

    @property
    def name(self) -> str:
        """Its name."""
        return "primes"

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of its operations."""
        return ("find", "count", "test", "tuplets")

    def engine(self) -> str:
        """Return which library finds primes here. Numbers are always tested with gmpy2.

        Raises OSError or ValueError if HEADRACE_PRIMES_ENGINE selects something that is not there.
        """
        from headrace_services.primes.engine import name_engine  # noqa: PLC0415 - see class

        return name_engine()

    def prepare(self, operation: str, parameters: Parameters) -> TaskRunner:
        """Prepare to run tasks. Raises ValueError for a wrong operation or parameters."""
        from headrace_services.primes.tasks import PREPARERS  # noqa: PLC0415 - see class

        if operation not in PREPARERS:
            raise ValueError(self._refuse(operation))
        return PREPARERS[operation](parameters)

    def describe(
        self, operation: str, parameters: Parameters, index: int, task_input: bytes | None
    ) -> str:
        """Name a task by its range, or by the numbers that it tests."""
        try:
            if operation == "test":
                name = _name_numbers(index, task_input)
            else:
                low, high = Partition.from_parameters(parameters).locate(index)
                name = f"{operation} from {low} to {high}"
        except Exception:  # noqa: BLE001 - the task may be invalid
            name = f"{operation} task {index}"
        return name[:_NAME_CHARACTERS]

    def is_ordered(self, operation: str) -> bool:
        """Return whether the order matters: primes and verdicts are ordered, counts are added."""
        return operation in ("find", "test")

    def gather(
        self,
        operation: str,
        parameters: Parameters,
        values: Iterator[tuple[int, bytes]],
        target: Target,
    ) -> Gathered:
        """Combine the values. Raises OutputError if one is missing or writing fails."""
        from headrace_services.primes.gather import GATHERERS  # noqa: PLC0415 - see class

        if operation not in GATHERERS:
            raise ValueError(self._refuse(operation))
        return GATHERERS[operation](parameters, values, target)

    def name_download(self, operation: str, parameters: Parameters) -> str:
        """Return the name of the file with the results."""
        from headrace_services.primes.summary import FILES  # noqa: PLC0415 - only for pages

        del parameters
        return FILES.get(operation, "")

    def summarize(self, about: Presented, values: Iterator[tuple[int, bytes]]) -> Summary:
        """Count primes, and find the largest gap. Raises ValueError for invalid values."""
        from headrace_services.primes.summary import (  # noqa: PLC0415 - only for pages
            summarize_primes,
        )

        return summarize_primes(about, values)

    def write_download(
        self, about: Presented, values: Iterator[tuple[int, bytes]], stream: BinaryIO
    ) -> None:
        """Write what the command line writes. Raises OutputError if a task has no value."""
        from headrace_services.presentation import (  # noqa: PLC0415 - only for pages
            gather_to_stream,
        )

        if not about.is_whole:
            raise OutputError("some tasks of the job failed or never ran: try them again first")
        gather_to_stream(self, about, values, stream, "text")

    def _refuse(self, operation: str) -> str:
        return f"primes cannot {operation!r}: it can {', '.join(self.operations)}"


PRIMES = PrimesService()


def _name_numbers(index: int, task_input: bytes | None) -> str:
    from headrace_services.primes.batches import decode_numbers  # noqa: PLC0415 - imports msgpack
    from headrace_services.primes.notation import show_number  # noqa: PLC0415 - as above

    numbers = decode_numbers(task_input or b"")
    more = f" and {len(numbers) - 1:,} more" if len(numbers) > 1 else ""
    return f"test task {index}: {show_number(numbers[0])}{more}"
