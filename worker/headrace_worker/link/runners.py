"""Which jobs a slot knows. Both sides keep the same short list, so that neither has to ask.

The pool sends a job's parameters to a slot only if the slot does not have them. Both sides move a
job to the front whenever a piece of it is sent (by the pool) or read (by the slot), in the same
order, and both drop the last job when there are too many.
"""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, Generic, TypeVar, cast

from headrace_services.permits import Permits, PermittedService
from headrace_services.service import (
    DetailedService,
    Kept,
    Parameters,
    Service,
    TaskRunner,
    map_file,
)
from headrace_wire.encoding import unpack

#: How many jobs a slot keeps prepared.
KEPT_JOBS = 8

T = TypeVar("T")


class KeptJobs(Generic[T]):
    """The last few jobs, each with what is known of it."""

    def __init__(self, capacity: int = KEPT_JOBS) -> None:
        self._capacity = capacity
        self._jobs: OrderedDict[str, T] = OrderedDict()

    def touch(self, job: str) -> T | None:
        """Move the job to the front, and return what is known of it; None if it is not in the
        list.
        """
        known = self._jobs.get(job)
        if known is not None:
            self._jobs.move_to_end(job)
        return known

    def keep(self, job: str, known: T) -> None:
        self._jobs[job] = known
        self._jobs.move_to_end(job)
        if len(self._jobs) > self._capacity:
            self._jobs.popitem(last=False)


@dataclass
class JobRunner:
    """One job in a slot: its service, which is loaded and prepared when its first task is run.

    ``files`` are open files with its ``data``; the constructor closes them.
    """

    service_name: str
    operation: str
    packed: bytes
    data: Sequence[tuple[str, str, int]] = ()
    files: InitVar[Sequence[int]] = ()
    run: TaskRunner | None = None
    _service: Service | None = None
    _parameters: Parameters = field(default_factory=dict[str, Any])

    def __post_init__(self, files: Sequence[int]) -> None:
        self._kept = {name: Kept(path, size) for name, path, size in self.data}
        for file, (name, path, size) in zip(files, self.data, strict=False):
            # If there is no room for it, the code that opens it by its path reports the error.
            with contextlib.suppress(OSError, ValueError):
                self._kept[name] = Kept(path, size, map_file(file, size))
            os.close(file)

    def hold(self, contents: Mapping[str, bytes]) -> None:
        """Add parameters, by name, that are too large to be sent with the others."""
        for name, content in contents.items():
            self._kept[name] = Kept("", len(content), memoryview(content))

    def prepare(self, load: Callable[[str], Service], permits: Permits) -> None:
        """Load the service and let it prepare the job. Exceptions of either are passed on."""
        self._parameters = self._open_parameters()
        service = load(self.service_name)
        if isinstance(service, PermittedService):
            service.permit(permits)
        self._service = service
        run: object = service.prepare(self.operation, self._parameters)
        if not callable(run):
            raise TypeError(
                f"the service {self.service_name!r} prepared a job with {type(run).__name__}, "
                "where a function that runs its tasks is due"
            )
        self.run = run

    def _open_parameters(self) -> Parameters:
        try:
            parameters: object = unpack(self.packed)
        except (ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"the job's parameters cannot be read: {error!r}") from None
        if not isinstance(parameters, dict):
            raise ValueError("the job's parameters are no map")  # noqa: TRY004 - wrong parameters
        return {**cast("Parameters", parameters), **self._kept}

    def describe(self, index: int, task_input: bytes | None) -> str:
        """Return the name of a task; "" if the service could not even be loaded."""
        if self._service is None:
            return ""
        return self._service.describe(self.operation, self._parameters, index, task_input)

    def detail(self, error: BaseException) -> bytes:
        """Encode a task's exception for its client; b"" if the service has no way to do that."""
        if isinstance(self._service, DetailedService):
            return self._service.detail(error, self._parameters)
        return b""
