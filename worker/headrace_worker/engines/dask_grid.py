"""A Dask cluster as a grid: each span is a Dask task.

    RemoteEngine ─ DaskGrid.run ─► Client.submit ─► scheduler ─► a process of that cluster
                                                                   └─ run_on_dask ─► run_span

Dask does not restart a process to end a task, so a running task cannot be ended from here: see
``dask_cancelled``. A process is used for one span at a time, however many threads it has, because
services rely on that.
"""

# Dask is an extra, and has no types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any

import dask
from distributed import Client, Future, LocalCluster, Security, get_worker
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker
from distributed.versions import VersionMismatchWarning

from headrace_wire.version import VERSION
from headrace_wire.words import count
from headrace_worker.engines.dask_address import complete_address
from headrace_worker.engines.dask_cancelled import CancelledSpans
from headrace_worker.engines.dask_deaths import count_deaths
from headrace_worker.engines.grid import GridAwayError, SpanLostError
from headrace_worker.engines.grid_base import GridBase
from headrace_worker.engines.registry import GridRequest
from headrace_worker.engines.span import run_span
from headrace_worker.machine.cores import count_usable_cores

#: Seconds to wait for an answer of a scheduler or of its processes, and for the first connection.
ANSWER_SECONDS = 10.0
CONNECT_SECONDS = 5.0

log = logging.getLogger(__name__)


def run_on_dask(version: str, topic: str, call: bytes, *shared: bytes) -> bytes:
    """Run a span in a process of a Dask cluster; see ``run_span``."""
    worker: Any = get_worker()
    key = worker.get_current_task()
    loop = worker.loop.asyncio_loop
    asyncio.run_coroutine_threadsafe(_send_news_of_last_span(worker), loop).result()

    def tell(news: bytes) -> None:
        worker.log_event(topic, news)

    def is_cancelled() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    return run_span(version, call, *shared, tell=tell, is_cancelled=is_cancelled)


async def _send_news_of_last_span(worker: Any) -> None:
    """Wait until this process has sent its pending messages to the scheduler, which it does every 2
    ms. If it died now, the scheduler would not know that the previous span has ended, and would
    blame that span for the death.
    """
    stream = worker.batched_stream
    while stream.buffer and not stream.closed():  # noqa: ASYNC110 - Dask has no event for it
        await asyncio.sleep(stream.interval)


def _import_there() -> tuple[Callable[..., bytes], Callable[..., str], Callable[..., list[str]]]:
    """Return the functions that Dask is given to run. They are pickled by value and import this
    module only where they run, because the scheduler unpickles them and need not have headrace.
    """

    def headrace_span(version: str, topic: str, call: bytes, *shared: bytes) -> bytes:
        from headrace_worker.engines.dask_grid import run_on_dask  # noqa: PLC0415 - see above

        return run_on_dask(version, topic, call, *shared)

    def headrace_version(*, is_own: bool) -> str:
        from headrace_worker.engines.dask_grid import tell_version  # noqa: PLC0415 - see above

        return tell_version(is_own=is_own)

    def headrace_running(prefix: str, dask_worker: Any) -> list[str]:
        # Tasks that were cancelled are among them until they end.
        running = [str(task.key) for task in dask_worker.state.executing]
        return [key for key in running if key.startswith(prefix)]

    return headrace_span, headrace_version, headrace_running


_run_there, _tell_version_there, _list_running_there = _import_there()


def tell_version(*, is_own: bool) -> str:
    """Return the version of headrace in a process of a Dask cluster. A process of a worker's own
    cluster also begins to ignore Ctrl-C and the end of its terminal, which the worker handles.
    """
    if is_own:
        for name in ("SIGINT", "SIGHUP"):
            if number := getattr(signal, name, None):
                signal.signal(number, signal.SIG_IGN)
    return VERSION


async def open_grid(request: GridRequest) -> DaskGrid:
    """Connect to a scheduler, or start a cluster on this machine.

    Raises UnreachableError if no scheduler answers, and UsageError for an invalid address and for a
    cluster without headrace.
    """
    # Settings in the user's own Dask configuration, such as certificates, apply as well.
    _limit_log()
    # It is about versions of libraries that do not matter here; that of headrace is compared.
    warnings.filterwarnings("ignore", category=VersionMismatchWarning)
    if request.address:
        grid = DaskGrid(complete_address(request.address))
    else:
        grid = await _start_cluster(request.slots or count_usable_cores().count)
    try:
        await grid.open(request.patience_seconds)
    except BaseException:
        await grid.close()
        raise
    return grid


async def _start_cluster(processes: int) -> DaskGrid:
    """Start a cluster on this machine that nobody else can use."""
    dask.config.set(
        {
            # No web pages: everybody on this machine could open them.
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
        }
    )
    # The key is made for this cluster only. Otherwise other users could run anything here.
    security: Any = Security.temporary()
    cluster: Any = await LocalCluster(
        n_workers=processes,
        threads_per_worker=1,
        security=security,
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        asynchronous=True,
        # This is the log of its processes. What happens to them is reported here, and when the
        # scheduler closes before them, they log tracebacks.
        silence_logs=logging.CRITICAL,
    )
    _limit_log()
    return DaskGrid(cluster.scheduler_address, cluster, security)


def _limit_log() -> None:
    """Log only warnings of Dask, and not each connection and each process."""
    logging.getLogger("distributed").setLevel(max(logging.WARNING, logging.getLogger().level))
    logging.getLogger("distributed.scheduler").addFilter(_is_no_death_of_span)


def _is_no_death_of_span(record: logging.LogRecord) -> bool:
    """Return whether a line of the scheduler is to be logged. The deaths that it counts for a span
    are not those that there were: see ``dask_deaths``. They are reported with the task.
    """
    is_death = "marked as failed because %d workers died" in str(record.msg)
    return not (is_death and "headrace-" in str(record.args))


class DaskGrid(GridBase):
    """A ``Grid`` over the cluster of a scheduler. If the cluster was started by this worker,
    ``local`` is that cluster, and ``security`` is needed to connect to it.
    """

    def __init__(self, address: str, local: Any = None, security: Any = None) -> None:
        super().__init__("Dask scheduler", address, "workers")
        self._local = local
        self._security = security
        self._topic = f"headrace-{os.urandom(8).hex()}"
        self._client: Any = None
        self._unused_threads = 0
        self._runs = 0
        self._cancelled = CancelledSpans(self._list_running)

    @property
    def title(self) -> str:
        """The name of the cluster, for people."""
        return (
            "a Dask cluster of its own" if self._local else f"the Dask cluster at {self._address}"
        )

    @property
    def is_own(self) -> bool:
        """Whether the cluster was started for this worker alone."""
        return self._local is not None

    async def share(self, content: bytes) -> Any:
        """Send data to the cluster, which keeps it as long as the returned object exists."""
        return await self._find_client().scatter(content, hash=False)

    async def run(self, call: bytes, shared: Sequence[Any]) -> bytes:
        """Run a span. Raises SpanLostError, GridAwayError, and errors of the cluster."""
        self._runs += 1
        key = f"{self._topic}-{self._runs}"
        where = list(self._usable) if self._unusable else None
        future: Future[bytes] = self._find_client().submit(
            _run_there,
            VERSION,
            self._topic,
            call,
            *shared,
            key=key,
            pure=False,
            retries=0,
            workers=where,
        )
        try:
            found: Any = await future.result()
            return bytes(found)
        except asyncio.CancelledError:
            future.release()  # the span is told
            await self._cancelled.wait_for(key)
            raise
        except KilledWorker as error:
            raise SpanLostError("lost", explain_killed(error)) from None
        except (FutureCancelledError, OSError) as error:
            raise GridAwayError(f"lost what ran there: {error}") from None
        finally:
            # If the span is still waiting, it is removed, and if it runs, its result is ignored.
            future.release()

    async def _leave(self) -> None:
        await self._disconnect()
        if self._local:
            with contextlib.suppress(OSError, TimeoutError):
                await self._local.close()

    def _find_client(self) -> Any:
        if self._client is None:
            raise GridAwayError("there is no connection")
        return self._client

    async def _connect(self) -> None:
        await self._disconnect()
        # The heartbeats of a client, and its own view of the cluster, are not needed here.
        client: Any = Client(
            self._address,
            asynchronous=True,
            timeout=CONNECT_SECONDS,
            set_as_default=False,
            security=self._security,
        )
        try:
            await client
        except BaseException:
            with contextlib.suppress(OSError, TimeoutError):
                await client.close(timeout=0)
            raise
        self._client = client
        client.subscribe_topic(self._topic, self._hear)
        async with asyncio.timeout(ANSWER_SECONDS):
            await count_deaths(client, self._topic)

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        self._cancelled.forget()
        if client is not None:
            with contextlib.suppress(OSError, TimeoutError):
                await client.close(timeout=1)

    def _hear(self, event: tuple[float, Any]) -> None:
        _, news = event
        if isinstance(news, bytes):
            self._on_news(news)

    async def _list_places(self) -> dict[str, int]:
        """Return the processes; each runs one span at a time."""
        async with asyncio.timeout(ANSWER_SECONDS):
            threads: dict[str, int] = await self._find_client().scheduler.ncores(workers=None)
        unused = sum(threads.values()) - len(threads)
        if unused > self._unused_threads:
            log.warning(
                "%s has %s more than processes, which are not used: a process runs one task at a "
                "time; start its workers with --nthreads 1",
                self.title,
                count(unused, "thread"),
            )
        self._unused_threads = unused
        return dict.fromkeys(threads, 1)

    async def _ask_versions(self, places: Collection[str]) -> dict[str, object]:
        async with asyncio.timeout(ANSWER_SECONDS):
            answers: dict[str, object] = await self._find_client().run(
                _tell_version_there, is_own=self.is_own, workers=list(places), on_error="return"
            )
        return {
            place: answer for place, answer in answers.items() if not isinstance(answer, OSError)
        }

    async def _list_running(self) -> set[str]:
        async with asyncio.timeout(ANSWER_SECONDS):
            answers: dict[str, object] = await self._find_client().run(
                _list_running_there, self._topic, on_error="return"
            )
        return {key for keys in answers.values() if isinstance(keys, list) for key in keys}

    def _explain(self, error: Exception) -> str:
        return explain_silence(error)


def explain_silence(error: Exception) -> str:
    """Describe why a scheduler does not answer.

    If something else listens there, such as a web server, Dask takes the data it receives for
    lengths, and raises errors such as MemoryError, ValueError or struct.error.
    """
    if isinstance(error, OSError):
        if str(error).startswith("Timed out trying to connect"):
            return (
                "no connection could be made"  # Dask also waits if a connection is refused at once
            )
        return str(error)
    return f"what came from there is not understood ({type(error).__name__}: {error})"


def explain_killed(error: KilledWorker) -> str:
    """Describe Dask's error for a task whose process died."""
    last: Any = error.last_worker
    where = getattr(last, "address", last)
    return f"the Dask worker at {where} died while running it: its own log may say why"
