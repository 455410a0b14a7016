"""A Ray cluster as a grid: each span is a Ray task, and so is the question to each machine.

    RemoteEngine ─ RayGrid.run ─► run_on_ray.remote(num_cpus=1) ─► a process of that cluster
    RemoteEngine ◄─ news, at last the outcome ─ a stream of objects ◄─┘ └─► run_span

This process is a Ray driver, so it has to be on a machine of the cluster. If a span is cancelled,
its process is ended, and Ray replaces it. A span returns a stream of objects: the news of its
tasks, and at last the outcome.
"""

# Ray is an extra, and not all of it has types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Collection, Generator, Sequence
from pathlib import Path
from typing import Any

# Ray asks on the terminal about usage statistics, and sends them. It reads this when imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# This is the future default, about which Ray would print a warning on standard error.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from headrace_wire.errors import UsageError
from headrace_wire.messages.failures import CRASH, LOST, OOM, Reason
from headrace_wire.system.unix_sockets import fits
from headrace_wire.version import VERSION
from headrace_worker.engines.grid import GridAwayError, SpanLostError
from headrace_worker.engines.grid_base import GridBase
from headrace_worker.engines.registry import GridRequest
from headrace_worker.engines.span import run_span
from headrace_worker.machine.cores import count_usable_cores

#: Names the cluster if no option does, for example in a Ray job.
ADDRESS_VARIABLE = "RAY_ADDRESS"

#: The secret of a cluster that demands one, as clusters do that Ray starts since 2.60.
TOKEN_VARIABLE = "RAY_AUTH_TOKEN"  # noqa: S105 - its name

#: The port to which Ray's clients connect (``ray://``), which is not the cluster's own address.
CLIENT_PORT = "10001"

#: Stands for the cluster to which this machine belongs.
AUTO = "auto"

#: Seconds to wait for the answer of a new machine, and for a connection.
ANSWER_SECONDS = 30.0
CONNECT_SECONDS = 5.0

#: The longest path of a socket in the folder that ``make_folder`` makes.
LONGEST_SOCKET = "r00000000/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"

#: The first byte of the last object that a span returns, and of each other one.
OUTCOME, NEWS = b"o", b"n"

#: Errors that say nothing about the machine that was asked, so that it is asked again.
NO_ANSWER = (
    exceptions.NodeDiedError,
    exceptions.OutOfMemoryError,
    exceptions.TaskUnschedulableError,
    exceptions.WorkerCrashedError,
)

log = logging.getLogger(__name__)


def run_on_ray(version: str, call: bytes, *shared: bytes) -> Generator[bytes]:
    """Run a span in a process of a Ray cluster; see ``run_span``. Yields news, then the outcome."""
    said: queue.SimpleQueue[bytes | BaseException] = queue.SimpleQueue()

    def tell(news: bytes) -> None:
        said.put(NEWS + news)

    def run() -> None:
        try:
            said.put(OUTCOME + run_span(version, call, *shared, tell=tell))
        except BaseException as error:  # noqa: BLE001 - it is raised where Ray sees it
            said.put(error)

    threading.Thread(target=run, name="headrace-span", daemon=True).start()
    while True:
        one = said.get()
        if isinstance(one, BaseException):
            raise one
        yield one
        if one.startswith(OUTCOME):
            return


def tell_version() -> str:
    """Return the version of headrace in a process of a Ray cluster."""
    return VERSION


async def open_grid(request: GridRequest) -> RayGrid:
    """Connect to a cluster, or start one on this machine.

    Raises UnreachableError if none answers, and UsageError for an invalid address, for other
    versions of Ray or Python, and for a cluster without headrace.
    """
    address = request.address or os.environ.get(ADDRESS_VARIABLE, "")
    grid = RayGrid(address, request.slots, request.folder)
    try:
        await grid.open(request.patience_seconds)
    except BaseException:
        await grid.close()
        raise
    return grid


class RayGrid(GridBase):
    """A ``Grid`` over the cluster at ``address``, or if that is "", over a new one with this many
    ``slots``.

    A new cluster writes into a folder of its own inside ``outer_folder``, if it is given and its
    path is short enough. A process can only be in one Ray cluster at a time, so there is only one
    such grid at a time.
    """

    def __init__(self, address: str, slots: int | None = None, outer_folder: str = "") -> None:
        super().__init__("Ray cluster", address, "machines")
        host, _, port = address.rpartition(":")
        is_address = "://" not in address and host and port.isdecimal() and port != CLIENT_PORT
        if address not in {"", AUTO} and not is_address:
            raise UsageError(
                f"{address!r} is no address of a Ray cluster here: start the worker on one of its "
                f"machines, with HOST:6379 or {AUTO}"
            )
        self._own_slots = None if address else slots or count_usable_cores().count
        self._is_open = False
        #: The thread that connects, which cannot be interrupted.
        self._entering: asyncio.Future[None] | None = None
        #: The folder of a cluster of its own, until it is closed, and the one in which it is made.
        self._folder = ""
        self._outer_folder = outer_folder
        #: How many of our spans each machine has for which the machine was chosen here.
        self._placed: dict[str, int] = {}
        options = {"num_cpus": 1, "max_retries": 0, "num_returns": "streaming"}
        self._run: Any = ray.remote(**options)(run_on_ray)

    @property
    def title(self) -> str:
        """The name of the cluster, for people."""
        return (
            f"the Ray cluster at {self._address}" if self._address else "a Ray cluster of its own"
        )

    @property
    def is_own(self) -> bool:
        """Whether the cluster was started for this worker alone."""
        return not self._address

    async def share(self, content: bytes) -> Any:
        """Send data to the cluster, which keeps it as long as the returned object exists."""
        return await asyncio.to_thread(ray.put, content)

    async def run(self, call: bytes, shared: Sequence[Any]) -> bytes:
        """Run a span. Raises SpanLostError, GridAwayError, and errors of its process."""
        place = self._choose_place()
        options = {} if place is None else {"scheduling_strategy": _stay_at(place)}
        objects = self._run.options(name="headrace span", **options).remote(VERSION, call, *shared)
        is_over = False
        try:
            async for one in self._read(objects):
                if one.startswith(OUTCOME):
                    is_over = True
                    return one.removeprefix(OUTCOME)
                self._on_news(one.removeprefix(NEWS))
            raise SpanLostError(LOST, "Ray returned nothing of it")
        except exceptions.RayError as error:
            is_over = True
            raise explain_loss(error) from None
        finally:
            if place is not None:
                self._placed[place] -= 1
            if not is_over and self._is_open:
                # This ends its process as well.
                ray.cancel(objects, force=True)

    async def _leave(self) -> None:
        if self._entering:
            await asyncio.gather(self._entering, return_exceptions=True)
        if self._is_open:
            self._is_open = False
            await asyncio.to_thread(ray.shutdown)
        if self._folder:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _connect(self) -> None:
        if not self._is_open:
            await self._reach()
            self._entering = asyncio.ensure_future(asyncio.to_thread(self._enter))
            # If this is cancelled, what has been started is ended when it is there.
            await asyncio.shield(self._entering)
            _take_signal_back()

    async def _disconnect(self) -> None:
        """Do nothing: Ray itself keeps trying, and ends this process when it gives up."""

    async def _reach(self) -> None:
        """Raise OSError if nobody listens there. Ray itself would try for minutes."""
        if self._address in {"", AUTO}:
            return
        host, _, port = self._address.rpartition(":")
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()

    async def _read(self, objects: Any) -> AsyncIterator[bytes]:
        async for one in objects:
            yield await one

    def _enter(self) -> None:
        """Connect. Raises OSError if no cluster answers, and UsageError for one that cannot be
        used.
        """
        quiet: dict[str, Any] = {
            "log_to_driver": False,
            "configure_logging": False,
            "include_dashboard": None if self._address else False,
        }
        if not self._address:
            # It is only reachable from this machine, and its token is not known to other users.
            os.environ[TOKEN_VARIABLE] = secrets.token_hex(32)
            quiet["_node_ip_address"] = "127.0.0.1"
            self._folder = make_folder(self._outer_folder)
            # Ray lets every user write to this folder, and no other user can enter the outer one.
            quiet["_temp_dir"] = str(Path(self._folder, "ray"))
        # Ray would also look for a cluster in this variable.
        with _without_variable(ADDRESS_VARIABLE), _hushed():
            try:
                ray.init(self._address or "local", num_cpus=self._own_slots, **quiet)
            except (RuntimeError, ValueError) as error:
                raise UsageError(f"{self.title} is of no use here: {_shorten(error)}") from None
        self._is_open = True

    def _choose_place(self) -> str | None:
        """Return the machine for a span; None if Ray may choose because all of them have
        headrace.
        """
        if not self._unusable or not self._usable:
            return None
        place = min(self._usable, key=lambda one: self._placed.get(one, 0) / self._usable[one])
        self._placed[place] = self._placed.get(place, 0) + 1
        return place

    async def _list_places(self) -> dict[str, int]:
        """Return the machines; each runs one span on each of its processors."""
        nodes = await asyncio.to_thread(ray.nodes)
        cpus = {
            node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]
        }
        return {node: count for node, count in cpus.items() if count}

    async def _ask_versions(self, places: Collection[str]) -> dict[str, object]:
        answers = await asyncio.gather(*(self._ask_version(node) for node in places))
        return {node: answer for node, answer in zip(places, answers, strict=True) if answer}

    async def _ask_version(self, node: str) -> object:
        """Return the version of headrace on a machine, or the error if it has none; None if there
        is no answer.
        """
        ask: Any = ray.remote(num_cpus=0, max_retries=0)(tell_version)
        asked = ask.options(scheduling_strategy=_stay_at(node)).remote()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asked
        except (*NO_ANSWER, TimeoutError):
            return None
        except exceptions.RayError as error:
            return RuntimeError(_shorten(error))

    def _explain(self, error: Exception) -> str:
        return _shorten(error)


def make_folder(outer: str = "") -> str:
    """Make a folder for the sockets and logs of a cluster, whose path has to be short: in the
    folder ``outer``, if it is given and its path is short enough.
    """
    if outer and fits(f"{outer}/{LONGEST_SOCKET}"):
        return tempfile.mkdtemp(prefix="r", dir=outer)
    short = Path("/tmp")  # noqa: S108 - a folder of its own is made in it
    return tempfile.mkdtemp(prefix="headrace-ray-", dir=short if short.is_dir() else None)


def explain_loss(error: exceptions.RayError) -> Exception:
    """Convert Ray's error for a span to one that the engine understands."""
    reason: Reason | None = None
    match error:
        case exceptions.RayTaskError(cause=exceptions.RayError() as cause):
            return explain_loss(cause)  # an error of what the span was given
        case exceptions.RayTaskError():
            return RuntimeError(_shorten(error))
        case exceptions.OutOfMemoryError():
            reason, why = OOM, "the machine ran short of memory, and Ray ended its process"
        case exceptions.WorkerCrashedError():
            reason, why = CRASH, "its Ray process died: Ray's logs of that machine may say why"
        case exceptions.NodeDiedError() | exceptions.ObjectLostError():
            reason, why = LOST, "its machine left the Ray cluster"
        case exceptions.TaskCancelledError():
            reason, why = LOST, "somebody cancelled it in the Ray cluster"
        case _:
            return GridAwayError(f"lost what ran there: {_shorten(error)}")
    return SpanLostError(reason, why)


def _stay_at(node: str) -> Any:
    return NodeAffinitySchedulingStrategy(node, soft=False)


def _shorten(error: BaseException) -> str:
    """Return the last line of an error that is not empty: Ray's errors begin with long
    tracebacks.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)


def _take_signal_back() -> None:
    """Restore the effect of SIGTERM, on which Ray would print a stack trace of the process."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


@contextlib.contextmanager
def _without_variable(name: str) -> Generator[None]:
    value = os.environ.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value


@contextlib.contextmanager
def _hushed() -> Generator[None]:
    """Keep Ray's messages about a cluster that it starts from standard error, except for errors."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
