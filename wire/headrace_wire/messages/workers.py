"""Messages between a worker and the coordinator about the worker itself and its state."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from headrace_wire.bounds import (
    MAX_RUNNING_TOLD,
    MAX_SERVICES,
    MAX_SLOTS,
    Amount,
    Count,
    Identifier,
    Index,
    JobId,
    Label,
    Moment,
    Name,
    OptionalLabel,
    Seconds,
    Slots,
)
from headrace_wire.html import draw_bar, draw_card
from headrace_wire.message import Message
from headrace_wire.messages.jobs import JobIds
from headrace_wire.messages.spans import Entries, NamedTasks, TaskName
from headrace_wire.words import format_bytes

#: The engine of workers that unpickle calls: a client that unpickles values accepts them only from
#: such workers.
PICKLED_CALLS = "calls+pickle"

#: The library that each service of a worker uses.
Engines = Annotated[dict[Identifier, Name], Meta(max_length=MAX_SERVICES)]


class WorkerInfo(Message):
    """What a worker tells about itself; ``id`` is new at each start.

    ``cores`` may be a fraction, and ``memory_limit_bytes`` is that of its container, 0 if it has
    none. ``python`` is a version. ``engine`` is what runs its tasks, such as its own pool, and
    ``engines`` has the library that each of its services uses.
    """

    id: Identifier
    name: Label
    host: Name
    process: Count
    slots: Slots
    slots_limit: Name
    start_method: Name
    version: Name
    engines: Engines
    cores: Amount
    memory_limit_bytes: Count
    python: Name
    engine: Identifier


class Registration(Message):
    """The coordinator's answer to a WorkerInfo."""

    lease_seconds: Seconds
    heartbeat_seconds: Seconds


class WorkerStatus(WorkerInfo):
    """A worker as the coordinator sees it. ``heard_seconds`` is the time since its last message.

    ``id`` is derived from the one that the worker itself uses, which only the coordinator may know.
    ``cpu_percent`` is that of all its processes together: 100 for each busy core.
    """

    busy: Count
    leased: Index
    done: Count
    failed: Count
    cpu_seconds: Amount
    rss_bytes: Count
    connected_at: Moment
    heard_seconds: Amount
    draining: bool
    cpu_percent: Amount = 0.0

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        limit = f" of {format_bytes(self.memory_limit_bytes)}" if self.memory_limit_bytes else ""
        rows = (
            ("state", "draining" if self.draining else ""),
            ("host", f"{self.host}, process {self.process}"),
            ("slots", f"{self.busy} of {self.slots} busy, limited by {self.slots_limit}"),
            ("tasks", f"{self.leased:,} held, {self.done:,} done, {self.failed:,} failed"),
            ("CPU", f"{self.cpu_percent:.0f} %, {self.cores:g} cores"),
            ("memory", format_bytes(self.rss_bytes) + limit),
            ("heard", f"{self.heard_seconds:.0f} s ago"),
            ("version", f"{self.version}, Python {self.python}"),
            ("engine", self.engine),
            ("services", "; ".join(f"{name}: {library}" for name, library in self.engines.items())),
        )
        return draw_card(f"worker {self.name}", rows, draw_bar(self.busy, self.slots))


class TaskProgress(Message):
    """The reported progress of a running task; ``of`` is None if the total is not known."""

    job: JobId
    index: Index
    worker: OptionalLabel
    done: Amount
    of: Amount | None


class RunningTask(Message):
    """A task that a worker's slot runs, for how long, and the memory that the slot takes.

    ``slot`` is the number in the name of the slot's process. In the worker's own messages,
    ``worker`` is "", because its name is known.
    """

    job: JobId
    index: Index
    attempt: Count
    worker: OptionalLabel
    slot: Count
    seconds: Amount
    rss_bytes: Count


class Heartbeat(Message):
    """A worker is alive: what it holds, and its state. ``request`` is the last answered request.

    ``orders`` is the number of the last orders that it received.
    """

    worker: Identifier
    request: Count
    leases: Annotated[tuple[Count, ...], Entries]
    busy: Count
    rss_bytes: Count
    draining: bool
    wait_seconds: Seconds
    orders: Count = 0
    progress: Annotated[tuple[TaskProgress, ...], Meta(max_length=MAX_SLOTS)] = ()
    running: Annotated[tuple[RunningTask, ...], Meta(max_length=MAX_RUNNING_TOLD)] = ()
    cpu_percent: Amount = 0.0


class Orders(Message):
    """The answer to a Heartbeat. A worker that is not ``known`` registers again.

    ``hand_back`` means to return all that has not started, and ``drain`` to take nothing new and
    leave. Orders are repeated until a heartbeat comes with their ``number``. ``waited_seconds`` is
    how long the coordinator waited for orders; the rest of the time of an answer is its round trip.
    """

    known: bool
    cancelled_jobs: JobIds
    cancelled_tasks: Annotated[tuple[TaskName, ...], NamedTasks] = ()
    number: Count = 0
    hand_back: bool = False
    drain: bool = False
    waited_seconds: Seconds = 0.0
