"""A Ray cluster as a grid: each span is a task of Ray's, and so is the looking at each machine.

    RemoteEngine ─ RayGrid.run ─► run_on_ray.remote(num_cpus=1) ─► a process of that cluster
    RemoteEngine ◄─ news, at last the outcome ─ a stream of objects ◄─┘ └─► run_span

This process is a driver of Ray's, so it has to be on a machine of the cluster. A span that is
cancelled is ended with its process, which Ray replaces. The outcome is the last of the objects that
a span returns, and what its tasks say meanwhile comes before it in the same stream.
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
import time
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from pathlib import Path
from typing import Any

# Ray asks about statistics of usage on the terminal, and sends them. Read when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# The behaviour to come, of which Ray would tell on standard error.
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from headrace_wire.errors import UnreachableError, UsageError
from headrace_wire.messages import CRASH, LOST, OOM, Reason
from headrace_wire.version import VERSION
from headrace_worker.engines.grid import GridAwayError, OnNews, SpanLostError
from headrace_worker.engines.registry import GridRequest
from headrace_worker.engines.span import run_span
from headrace_worker.machine.cores import count_usable_cores

#: Names the cluster where no option does, as in a job of Ray's.
ADDRESS_VARIABLE = "RAY_ADDRESS"

#: Holds what lets others into a cluster that demands it, as those do that Ray starts since 2.60.
TOKEN_VARIABLE = "RAY_AUTH_TOKEN"  # noqa: S105 - its name

#: The cluster of which this machine is one.
AUTO = "auto"

#: How often, in seconds, it is looked which machines there are, and for how long an answer of a new
#: one is waited for.
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 30.0

#: Seconds for somebody to take up a connection, and between attempts.
CONNECT_SECONDS = 5.0
RETRY_SECONDS = 2.0

#: How the last object begins that a span returns, and how each other one does.
OUTCOME, NEWS = b"o", b"n"

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
    """The version of headrace in a process of a Ray cluster."""
    return VERSION


async def open_grid(request: GridRequest) -> RayGrid:
    """Connect with a cluster, or start one of this machine.

    Raises UnreachableError where none answers, UsageError for an address that is none, where Ray or
    Python are other ones there, and for a cluster without headrace.
    """
    grid = RayGrid(request.address or os.environ.get(ADDRESS_VARIABLE, ""), request.slots)
    try:
        await grid.open(request.patience_seconds)
    except BaseException:
        await grid.close()
        raise
    return grid


class RayGrid:
    """A ``Grid`` over the cluster at ``address``, or "" for one of its own with so many ``slots``.

    A process can be in one cluster of Ray's at a time, so there is one such grid at a time.
    """

    def __init__(self, address: str, slots: int | None = None) -> None:
        host, _, port = address.rpartition(":")
        if address not in {"", AUTO} and ("://" in address or not host or not port.isdecimal()):
            raise UsageError(
                f"{address!r} is no address of a Ray cluster here: start the worker on one of its "
                f"machines, with HOST:6379 or {AUTO}"
            )
        self._address = address
        self._own_slots = None if address else slots or count_usable_cores().count
        self._is_open = False
        #: What a cluster of its own has written, until it is closed.
        self._folder = ""
        #: The machines with headrace and their processors, and the machines without.
        self._able: dict[str, int] = {}
        self._unable: frozenset[str] = frozenset()
        #: How many spans of ours each machine has that was chosen for them.
        self._placed: dict[str, int] = {}
        self._run: Any = None
        self._on_change: Callable[[], object] = lambda: None
        self._on_news: OnNews = lambda _: None
        self._looking: asyncio.Task[None] | None = None

    @property
    def title(self) -> str:
        """Names it for people."""
        return (
            f"the Ray cluster at {self._address}" if self._address else "a Ray cluster of its own"
        )

    @property
    def is_own(self) -> bool:
        """Whether it was started for this worker alone."""
        return not self._address

    @property
    def slots(self) -> int:
        """How many processors the cluster has: each runs one span at a time."""
        return sum(self._able.values())

    async def open(self, patience_seconds: float) -> None:
        """Connect, or start a cluster, and look which machines there are.

        Raises UnreachableError and UsageError.
        """
        end = time.monotonic() + patience_seconds
        told = False
        while not self._is_open:
            try:
                await self._reach()
                await asyncio.to_thread(self._connect)
                self._is_open = True
                _take_signal_back()
            except OSError as error:
                why = f"no Ray cluster answers at {self._address}: {_shorten(error)}"
                if time.monotonic() >= end:
                    raise UnreachableError(why) from None
                if not told:
                    log.warning("%s; trying for %g s", why, patience_seconds)
                    told = True
                await asyncio.sleep(RETRY_SECONDS)
        options = {"num_cpus": 1, "max_retries": 0, "num_returns": "streaming"}
        self._run = ray.remote(**options)(run_on_ray)
        await self._look()
        if self._unable and not self._able:
            raise UsageError(
                f"the machines of {self.title} have no headrace {VERSION}: install it there, the "
                "same version as here"
            )
        self._looking = asyncio.create_task(self._keep_looking())

    def watch(self, on_change: Callable[[], object], on_news: OnNews) -> None:
        """Have changes and news told from now on."""
        self._on_change, self._on_news = on_change, on_news

    async def share(self, content: bytes) -> Any:
        """Bring something to the cluster, where it is kept as long as what is returned lives."""
        return await asyncio.to_thread(ray.put, content)

    async def run(self, call: bytes, shared: Sequence[Any]) -> bytes:
        """Run a span. Raises SpanLostError, GridAwayError, and whatever its process raises."""
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
                # Its process is ended with it.
                ray.cancel(objects, force=True)

    async def close(self) -> None:
        """Leave the cluster, and end it if it is our own."""
        if self._looking:
            self._looking.cancel()
        if self._is_open:
            self._is_open = False
            await asyncio.to_thread(ray.shutdown)
        if self._folder:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _reach(self) -> None:
        """Raise OSError where nobody listens: Ray itself tries on for minutes."""
        if self._address in {"", AUTO}:
            return
        host, _, port = self._address.rpartition(":")
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()

    async def _read(self, objects: Any) -> AsyncIterator[bytes]:
        async for one in objects:
            yield await one

    def _connect(self) -> None:
        """Raise OSError where no cluster answers, and UsageError for one that is of no use."""
        quiet: dict[str, Any] = {
            "log_to_driver": False,
            "configure_logging": False,
            "include_dashboard": None if self._address else False,
        }
        if not self._address:
            # On this machine alone, and with a token that other users of it do not know.
            os.environ[TOKEN_VARIABLE] = secrets.token_hex(32)
            quiet["_node_ip_address"] = "127.0.0.1"
            # Sockets and logs lie in it; the names of sockets have to be short.
            short = Path("/tmp")  # noqa: S108 - a folder of its own is made in it
            self._folder = tempfile.mkdtemp(
                prefix="headrace-ray-", dir=short if short.is_dir() else None
            )
            quiet["_temp_dir"] = self._folder
        # Ray looks for a cluster by this variable, too.
        with _without_variable(ADDRESS_VARIABLE), _hushed():
            try:
                ray.init(self._address or "local", num_cpus=self._own_slots, **quiet)
            except (RuntimeError, ValueError) as error:
                raise UsageError(f"{self.title} is of no use here: {_shorten(error)}") from None

    def _choose_place(self) -> str | None:
        """The machine for a span; None where Ray may choose, as headrace is on all of them."""
        if not self._unable or not self._able:
            return None
        place = min(self._able, key=lambda one: self._placed.get(one, 0) / self._able[one])
        self._placed[place] = self._placed.get(place, 0) + 1
        return place

    async def _keep_looking(self) -> None:
        """Follow the machines as they come and go."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            before = self._able
            try:
                await self._look()
            except (exceptions.RayError, OSError, RuntimeError) as error:
                log.warning("%s does not answer: %s; trying on", self.title, _shorten(error))
                self._able = {}
            if self._able != before:
                self._on_change()

    async def _look(self) -> None:
        """Find out which machines there are."""
        nodes = await asyncio.to_thread(ray.nodes)
        cpus = {
            node["NodeID"]: int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]
        }
        cpus = {node: count for node, count in cpus.items() if count}
        unable = self._unable & cpus.keys()
        new = cpus.keys() - self._able.keys() - unable
        told = await asyncio.gather(*(self._ask_version(node) for node in new))
        unable |= {node for node, answer in zip(new, told, strict=True) if answer is False}
        silent = {node for node, answer in zip(new, told, strict=True) if answer is None}
        self._unable = unable
        self._able = {
            node: count for node, count in cpus.items() if node not in unable and node not in silent
        }

    async def _ask_version(self, node: str) -> bool | None:
        """Whether a machine has this version of headrace; None where it does not answer."""
        ask: Any = ray.remote(num_cpus=0, max_retries=0)(tell_version)
        asked = ask.options(scheduling_strategy=_stay_at(node)).remote()
        what = "it did not answer"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await asked
            if answer == VERSION:
                return True
            what = f"it has headrace {answer}"
        except (exceptions.NodeDiedError, exceptions.TaskUnschedulableError, TimeoutError):
            return None
        except exceptions.RayError as error:
            what = _shorten(error)
        log.warning(
            "the machine %s of %s is not used: %s; install headrace %s there, the same version as "
            "here",
            node,
            self.title,
            what,
            VERSION,
        )
        return False


def explain_loss(error: exceptions.RayError) -> Exception:
    """What became of a span, for the engine: what Ray says, in words of ours."""
    reason: Reason | None = None
    match error:
        case exceptions.RayTaskError(cause=exceptions.RayError() as cause):
            return explain_loss(cause)  # of what it was given
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
    """The last line of an error that says something: Ray's begin with long traces of processes."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)


def _take_signal_back() -> None:
    """Have SIGTERM mean what it did: Ray writes a trace of the process then."""
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
    """Keep what Ray says of a cluster that it starts from standard error; errors it does say."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
