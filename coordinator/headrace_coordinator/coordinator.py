"""The coordinator, which creates and connects its parts.

    event loop: Server ─► JobQueue, ResultQueue, SharedObjects ─► Ledger ─► Queue, Store
                Ticker ─────────────────────────────────────────────┘└─► Waiters, metrics
    threads:    HTTP (reads the ledger and the metrics; its calls run in the event loop)
                Checkpointer (moves the store's log into the database)

The parts are started in the order store, ledger, checkpointer, server, ticker, HTTP. They are
stopped in this order: waiters, so that waiting calls return; the server, so that nothing new
arrives; ticker, HTTP, checkpointer, store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from headrace_coordinator.certificate import choose_http_tls, choose_tls, list_given
from headrace_coordinator.ledger.checkpointer import Checkpointer
from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.ledger.ticker import Ticker
from headrace_coordinator.monitoring.audit import AuditLog
from headrace_coordinator.monitoring.event_log import EventLog
from headrace_coordinator.monitoring.token import write_token
from headrace_coordinator.queue.lease_proofs import LeaseProofs
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving.job_queue import JobQueue
from headrace_coordinator.serving.key_watch import KeyWatch
from headrace_coordinator.serving.result_queue import ResultQueue
from headrace_coordinator.serving.shared_objects import SharedObjects
from headrace_coordinator.serving.task_keys import TaskKeys
from headrace_coordinator.serving.topics import wake_waiters
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.settings import LOCAL, CoordinatorSettings
from headrace_coordinator.store.backup import STORE_NAME
from headrace_coordinator.store.locks import lock_data
from headrace_coordinator.store.store import Store
from headrace_coordinator.web.gate import Gate
from headrace_wire.acceptor import require_free
from headrace_wire.address import Address
from headrace_wire.descriptors import share_descriptors
from headrace_wire.errors import HeadraceError
from headrace_wire.key import KEY_NAME, ensure_key
from headrace_wire.key_book import refuse_given_key
from headrace_wire.keyring import derive_key
from headrace_wire.live_keys import LiveKeys
from headrace_wire.manager import QueueManager
from headrace_wire.open_files import read_limit
from headrace_wire.page_links import (
    START_LINK_SECONDS,
    make_link_token,
    reach_page,
    write_link,
)
from headrace_wire.role_files import own_role_folders
from headrace_wire.roles import OBSERVER

if TYPE_CHECKING:
    from ssl import SSLContext

    from headrace_coordinator.monitoring.http import HttpServer, PageSite, Plain
    from headrace_coordinator.monitoring.metrics import CoordinatorMetrics
    from headrace_coordinator.monitoring.page_metrics import PageMetrics

#: The file in the data folder from which the tokens of tasks and the proofs of leases are derived.
TOKEN_SECRET_NAME = "token.secret"  # noqa: S105 - a file's name

#: The number of descriptors that are reserved for HTTP: a fraction of all, within these limits.
HTTP_PART = 1 / 8
LEAST_HTTP_DESCRIPTORS, MOST_HTTP_DESCRIPTORS = 40, 264

#: How many of them are not for connections.
OWN_HTTP_DESCRIPTORS = 8

#: The fraction of the free disk space that the spool may use if no limit is set.
SPOOL_SHARE = 0.8


class Coordinator:
    """A coordinator as an asynchronous context manager. It serves inside the ``async with`` block.

    Raises UsageError and StoreError if it cannot serve with these settings.
    """

    def __init__(self, settings: CoordinatorSettings) -> None:
        self._stack = ExitStack()
        try:
            self._make_parts(settings)
        except BaseException:
            self._stack.close()
            raise

    def _make_parts(self, settings: CoordinatorSettings) -> None:
        key, keys = self._take_keys(settings)
        metrics = _load_metrics() if settings.http else None
        http_tls = choose_http_tls(settings) if metrics else None
        store = Store(
            settings.data / STORE_NAME,
            settings.durability,
            settings.history_seconds,
            settings.scratch,
        )
        self._stack.callback(store.close)
        secret = ensure_key(settings.data / TOKEN_SECRET_NAME)
        on_commit = metrics.note_commit if metrics else None
        rules = _choose_rules(settings, store)
        self._ledger = Ledger(store, rules, on_commit, LeaseProofs(secret))
        self._checkpointer = Checkpointer(self._ledger)
        self._ticker = Ticker(self._ledger)
        self._waiters = Waiters()
        self._ledger.listen(self._ticker.note)
        self._ledger.listen(partial(wake_waiters, self._waiters))
        task_keys = TaskKeys(keys, secret, self._ledger, settings.lease_seconds)
        self._ledger.listen(task_keys.note)
        self._make_queues(settings, task_keys, metrics)
        self._ledger.listen(EventLog().note)  # last, so that a scrape shows what has been logged
        http_descriptors = _share_for_http(read_limit()) if metrics else 0
        self._server = QueueManager(settings.bind, key).get_server(
            self._jobs,
            self._results,
            self._shared,
            share_descriptors(read_limit(), http_descriptors),
            metrics.note_bytes if metrics else None,
            on_refused=metrics.note_refusal if metrics else None,
            find_keys=task_keys.find,
        )
        self._stack.callback(self._server.close)
        if tls := choose_tls(settings, self._server.bound):
            self._server.encrypt(tls)
        if metrics:
            metrics.watch_keys(settings.key_file, list_given(settings, tls))
            metrics.watch_connections(self._server.count_connections)
        self._gate = Gate(
            {"jobs": self._jobs, "results": self._results, "shared": self._shared},
            partial(task_keys.find, b""),
            secret,
            private_jobs=settings.private_jobs,
        )
        self._http: HttpServer | None = None
        if metrics and settings.http:
            self._http = self._make_http(
                settings, settings.http, metrics, http_descriptors, http_tls
            )
        self._key_watch = KeyWatch(task_keys, self._server)

    def _take_keys(self, settings: CoordinatorSettings) -> tuple[bytes, LiveKeys]:
        """Lock the data folder, and make or read the keys. Returns the coordinator's own key, and
        all keys.
        """
        self._stack.enter_context(lock_data(settings.data))
        # A coordinator that cannot serve should not leave keys and a store behind.
        require_free(settings.bind, "")
        if settings.http:
            require_free(settings.http, " HTTP")
        refuse_given_key(settings.key_file, settings.data / KEY_NAME)
        key = ensure_key(settings.key_file)
        self._stack.enter_context(own_role_folders(settings.role_keys))
        keys = LiveKeys(settings.key_file, settings.role_keys, partial(_publish, settings))
        self._find_own_key = keys.find_own
        if settings.audit:
            self._stack.callback(AuditLog(settings.data).close)
        return key, keys

    def _make_queues(
        self,
        settings: CoordinatorSettings,
        task_keys: TaskKeys,
        metrics: CoordinatorMetrics | None,
    ) -> None:
        """Make the objects that are served."""
        private = settings.private_jobs
        self._jobs = JobQueue(
            self._ledger,
            self._waiters,
            settings.lease_seconds,
            private_jobs=private,
            make_token=task_keys.make_token,
        )
        self._ticker.then(self._jobs.sampler.sample)
        on_samples = metrics.note_samples if metrics else None
        self._results = ResultQueue(self._ledger, self._waiters, on_samples, private_jobs=private)
        self._shared = SharedObjects(
            self._ledger, self._waiters, settings.lease_seconds, task_keys.find_payer
        )
        if metrics:
            metrics.watch(self._ledger, self._shared)

    def _make_http(
        self,
        settings: CoordinatorSettings,
        address: Address,
        metrics: CoordinatorMetrics,
        descriptors: int,
        tls: SSLContext | None,
    ) -> HttpServer:
        """Make the server of the page, metrics and health."""
        from headrace_coordinator.monitoring.http import HttpServer  # noqa: PLC0415 - not if embedded

        private_folders = settings.data, settings.key_file.parent
        http = HttpServer(
            address,
            metrics.registry,
            lambda: self._ledger.problem,
            find_held=lambda: self._ledger.observe(lambda queue, _: queue.spool.held_because),
            find_tokens=None if settings.http_open else partial(self._server.list_keys, OBSERVER),
            on_refused=metrics.note_refusal,
            open_site=partial(_open_site, self._gate, metrics.page, private_folders),
            tls=tls,
            max_connections=descriptors - OWN_HTTP_DESCRIPTORS,
        )
        self._stack.callback(http.close)
        self._jobs.page = f"{'https' if tls else 'http'}://{http.bound}"
        return http

    @property
    def bound(self) -> Address:
        """The address at which the queues are served."""
        return self._server.bound

    @property
    def wants_token(self) -> bool:
        """Whether /metrics can only be read with the observer's key."""
        return self._http is not None and self._http.wants_token

    def make_page_link(self) -> str:
        """Return a link that opens the page for an observer; "" if no page is served."""
        if not self._jobs.page:
            return ""
        token = make_link_token(derive_key(self._find_own_key(), OBSERVER), START_LINK_SECONDS)
        return write_link(reach_page(self._jobs.page, LOCAL), token)

    @property
    def page(self) -> str:
        """The URL of HTTP, such as ``http://127.0.0.1:7380``, "" if it is not served."""
        return self._jobs.page

    @property
    def http_bound(self) -> Address | None:
        """The address at which metrics and health are served."""
        return self._http.bound if self._http else None

    async def __aenter__(self) -> Self:
        self._ledger.mend()  # reports a full disk now
        with _explain_threads():
            self._checkpointer.start()
        self._server.start()
        self._ticker.start()
        self._key_watch.start()
        if self._http:
            self._gate.open(asyncio.get_running_loop())
            with _explain_threads():
                self._http.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._waiters.close()
        self._key_watch.stop()
        await self._server.stop()
        self._ticker.stop()
        if self._http:
            await self._http.stop()
        self._checkpointer.stop()
        self._stack.close()


@contextmanager
def _explain_threads() -> Generator[None]:
    """Raise HeadraceError if a thread cannot be started in the block."""
    try:
        yield
    except RuntimeError as error:
        raise HeadraceError(
            f"the coordinator cannot start its threads ({error}): raise `ulimit -u`, or its "
            "container's limit of processes"
        ) from None


def _share_for_http(descriptors: int) -> int:
    """Return how many of a process's descriptors are for HTTP."""
    part = int(descriptors * HTTP_PART)
    return max(LEAST_HTTP_DESCRIPTORS, min(part, MOST_HTTP_DESCRIPTORS))


def _load_metrics() -> CoordinatorMetrics:
    # A coordinator that serves no HTTP, such as that of an embedded pool, does not import
    # prometheus-client, which takes about as much memory as the rest of it.
    from headrace_coordinator.monitoring.metrics import CoordinatorMetrics  # noqa: PLC0415

    return CoordinatorMetrics()


def _open_site(
    gate: Gate, metrics: PageMetrics, private: tuple[Path, ...], answer_plainly: Plain
) -> PageSite:
    # Starlette, uvicorn and Jinja2 take about 20 MiB, and are imported for the first visitor.
    from headrace_coordinator.web.app import make_app  # noqa: PLC0415
    from headrace_coordinator.web.hosting import Site  # noqa: PLC0415

    return Site(make_app(gate, metrics, private), answer_plainly)


def _choose_rules(settings: CoordinatorSettings, store: Store) -> Rules:
    return Rules(
        lease_seconds=settings.lease_seconds,
        result_ttl_seconds=settings.result_ttl_seconds,
        spool_limit_bytes=_choose_spool_limit(settings, store),
        shared_limit_bytes=settings.shared_limit_bytes,
        scratch=settings.scratch,
    )


def _choose_spool_limit(settings: CoordinatorSettings, store: Store) -> int:
    """Return the configured limit, or most of the disk space that is free or used by the store."""
    if settings.spool_limit_bytes is not None:
        return settings.spool_limit_bytes
    return int((store.space.measure_free() + store.space.measure_bytes()) * SPOOL_SHARE)


def _publish(settings: CoordinatorSettings, key: bytes) -> None:
    """Write the token for metrics, which is derived from the coordinator's own key."""
    if settings.token_file:
        write_token(settings.token_file, derive_key(key, OBSERVER))
