"""The service ``calls``, which runs a user's own functions, for workers and clients."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from headrace_services.permits import Permits, RefusedError
from headrace_services.service import Gathered

if TYPE_CHECKING:
    from headrace_services.calls.running import SlotCalls
    from headrace_services.presentation import Presented, Summary
    from headrace_services.service import Parameters, Target, TaskRunner

#: The maximum number of characters of a task's name.
_NAME_CHARACTERS = 200


class CallsService:
    """Calls functions that are found by name among what is allowed, or pickled functions if
    allowed.

    What it needs to run calls is imported at the first call, so that a command line that only plans
    or explains is fast.
    """

    def __init__(self) -> None:
        self._permits = Permits()
        self._slot: SlotCalls | None = None

    @property
    def name(self) -> str:
        """The name of the service."""
        return "calls"

    @property
    def operations(self) -> tuple[str, ...]:
        """The names of its operations.

        With ``call``, each task has its own function. With the others, the whole job has one, which
        is called once, or with each argument or tuple of arguments.
        """
        return ("apply", "map", "starmap", "call")

    @property
    def inner_parameters(self) -> frozenset[str]:
        """Parameters that a page does not show; the job's function is shown separately."""
        return frozenset(
            {"pool", "command", "label", "tenant", "function", "main", "chunk", "initargs"}
        )

    def permit(self, permits: Permits) -> None:
        """Set what is allowed here; before this is called, nothing is."""
        self._permits = permits

    def engine(self) -> str:
        """Return the version of Python, and what is allowed.

        Raises RefusedError if nothing is, so that such a worker does not offer the service.
        """
        if not self._permits.allows_anything:
            raise RefusedError("no function is allowed here: start the worker with --allow NAME")
        return f"Python {sys.version.split()[0]}, {self._permits.describe()}"

    def prepare(self, operation: str, parameters: Parameters) -> TaskRunner:
        """Find the function and run the initializer, if it has not run here yet.

        Raises RefusedError for what is not allowed, ValueError for a wrong operation or parameters.
        """
        from headrace_services.calls.running import SlotCalls  # noqa: PLC0415 - see class

        if operation not in self.operations:
            raise ValueError(self._refuse(operation))
        if self._slot is None:
            self._slot = SlotCalls()
        return self._slot.prepare(operation, parameters, self._permits)

    def describe(
        self, operation: str, parameters: Parameters, index: int, task_input: bytes | None
    ) -> str:
        """Return the name of a task as a call: ``simulate(3, 'x')``."""
        try:
            from headrace_services.calls.show import show_call  # noqa: PLC0415 - see class

            name = show_call(operation, parameters, task_input)
        except Exception:  # noqa: BLE001 - it is called for tasks that failed
            name = f"{operation} task {index}"
        return name[:_NAME_CHARACTERS]

    def detail(self, error: BaseException, parameters: Parameters) -> bytes:
        """Encode a task's exception, so that the client can raise it again."""
        from headrace_services.calls.errors import pack_error  # noqa: PLC0415 - see class
        from headrace_services.calls.main_module import shares_main  # noqa: PLC0415 - see class

        if parameters.get("serializer") != "cloudpickle" or not self._permits.pickle:
            return pack_error(error)
        return pack_error(error, "cloudpickle", by_reference=shares_main(parameters))

    def is_ordered(self, operation: str) -> bool:
        """Return whether order matters, which it does, because lines are written in order."""
        del operation
        return True

    def gather(
        self,
        operation: str,
        parameters: Parameters,
        values: Iterator[tuple[int, bytes]],
        target: Target,
    ) -> Gathered:
        """Write values as JSON lines (see ``json_lines``). Raises OutputError if that fails."""
        from headrace_services.calls.gather import gather_lines  # noqa: PLC0415 - see class

        if operation not in self.operations:
            raise ValueError(self._refuse(operation))
        return gather_lines(parameters, values, target)

    def name_download(self, operation: str, parameters: Parameters) -> str:
        """Return the name of the file with the results; "" for pickled values, which are not
        decoded here.
        """
        del operation
        return "values.jsonl" if parameters.get("serializer") == "msgpack" else ""

    def summarize(self, about: Presented, values: Iterator[tuple[int, bytes]]) -> Summary:
        """Count the values; only their program knows what they mean."""
        from headrace_services.presentation import Summary  # noqa: PLC0415 - for pages alone

        del values
        if not self.name_download(about.operation, about.parameters):
            return Summary(message="The values are pickled: only the job's own program opens them.")
        return Summary((("Values", f"{about.done:,}"),))

    def write_download(
        self, about: Presented, values: Iterator[tuple[int, bytes]], stream: BinaryIO
    ) -> None:
        """Write values as JSON lines. Raises OutputError."""
        from headrace_services.presentation import (  # noqa: PLC0415 - for pages alone
            gather_to_stream,
        )

        gather_to_stream(self, about, values, stream)

    def _refuse(self, operation: str) -> str:
        return f"calls cannot {operation!r}: it can {', '.join(self.operations)}"


CALLS = CallsService()
