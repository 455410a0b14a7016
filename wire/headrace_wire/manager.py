"""The manager: BaseManager with msgpack, three objects, and proxies that reconnect.

    QueueManager(address, key).jobs()      ─► JobQueueApi, called by threads
    QueueManager(address, key).async_jobs() ─► the same, called by tasks of an event loop

On the server: ``QueueManager(address, key).get_server(job_queue, result_queue, shared_state)``.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from multiprocessing import managers
from typing import TYPE_CHECKING, Any, cast

from msgspec import Struct

from headrace_wire.acquaintances import note_revoked
from headrace_wire.address import Address
from headrace_wire.api import APIS, MAX_WAIT_SECONDS, JobQueueApi, ResultQueueApi, SharedApi
from headrace_wire.busy import Tries
from headrace_wire.calling import decode_answer, encode_call, explain_loss, greet
from headrace_wire.connection import IDLE_CONNECTIONS, MsgpackConnection, dial
from headrace_wire.encryption import AUTOMATIC, Encryption
from headrace_wire.errors import BusyError, ClosedError, KeyRefusedError, UnreachableError
from headrace_wire.greeting import explain_refusal
from headrace_wire.keyring import Keys, derive_keys
from headrace_wire.locks import make_lock
from headrace_wire.signature import read_signatures
from headrace_wire.timeouts import Attempts

if TYPE_CHECKING:
    from headrace_wire.admission import ServerLimits
    from headrace_wire.async_caller import AsyncCaller
    from headrace_wire.server import Server

#: After how many seconds without a byte of the answer a connection counts as lost, unless the
#: caller sets another limit; longer than any long-poll.
ANSWER_SECONDS = MAX_WAIT_SECONDS + 20.0

#: BaseManager and its proxies require a listener and a client for their serializer. They get none,
#: because both sides here make connections themselves.
SERIALIZER = "msgpack"
_pairs: dict[str, Any] = managers.listener_client  # type: ignore[attr-defined] # undocumented
_pairs[SERIALIZER] = (None, None)


def do_nothing() -> None:
    """Do nothing: no callback was given."""


class Proxy(managers.BaseProxy):
    """Calls the methods of one served object. Thread-safe.

    A call takes a connection that no other call is using, and leaves it to the next one. Nothing is
    created, counted or shut down on the server. If anything interrupts a call before its answer,
    the connection is closed, because otherwise the next call would read that answer.
    """

    #: Set by BaseProxy; typeshed does not know them.
    _token: Any
    _authkey: bytes

    def __init__(
        self,
        name: str,
        address: Address,
        key: bytes,
        answer_seconds: float = ANSWER_SECONDS,
        closed: threading.Event | None = None,
        stop: threading.Event | None = None,
        encryption: Encryption = AUTOMATIC,
        on_connected: Callable[[], object] = do_nothing,
    ) -> None:
        token = managers.Token(name, address, name)
        super().__init__(token, SERIALIZER, authkey=key, incref=False)
        self._open: weakref.WeakSet[MsgpackConnection] = weakref.WeakSet()
        self._opening = make_lock()
        #: Set before ``close`` if no more calls are allowed.
        self._closed = closed or threading.Event()
        #: Set if a connection is to be tried only once.
        self._stop = stop or threading.Event()
        #: The newest is last: the one that was least recently used may have been closed meanwhile.
        self._idle: list[MsgpackConnection] = []
        self._process = os.getpid()
        self._encryption = encryption
        self._on_connected = on_connected
        self._answer_seconds = answer_seconds
        self._signatures = read_signatures(APIS[name])

    def replace_key(self, key: bytes) -> None:
        """Use another key from the next connection on."""
        self._authkey = key

    def call(self, method: str, arguments: object, until: float | None = None) -> Any:
        """Make one round trip. Raises UnreachableError if the connection is lost, or if it is not
        over at the monotonic time ``until``; and the errors of the greeting and of the answer.
        """
        link: MsgpackConnection | None = None
        try:
            link = self._take_connection(until)
            link.set_stall_limit(self._answer_seconds, until)
            link.send_parts(encode_call(self._token.id, method, arguments))
            frame = link.receive()
        except BaseException as error:  # a signal handler may raise anything
            if link:
                link.close()
            if isinstance(error, EOFError | OSError):
                self._drop_idle()  # they are closed, too, or soon will be
                connected_at = link.connected_at if link else None
                raise explain_loss(self._token.address, error, connected_at) from None
            raise
        self._leave(link)
        try:
            return decode_answer(self._signatures[method], frame, is_newer=link.is_newer)
        except KeyRefusedError:
            note_revoked(self._token.address, self._authkey)
            raise

    def close(self) -> None:
        """Close the connections of all threads. Pending calls fail; a later one connects again."""
        self._leave_to_parent()
        with self._opening:
            links = list(self._open)
        for link in links:
            # The thread that uses it has to close it. Otherwise its number would be free, and soon
            # belong to another socket, on which that thread would wait.
            link.interrupt()
        self._drop_idle()

    def _incref(self) -> None:
        """Do nothing: BaseProxy would connect to the coordinator from every forked child."""

    def _take_connection(self, until: float | None) -> MsgpackConnection:
        self._leave_to_parent()
        while self._idle:
            with contextlib.suppress(IndexError):  # another thread was faster
                link = self._idle.pop()
                if not link.closed:
                    return link
        return self._connect(until)

    def _leave_to_parent(self) -> None:
        """In a forked child, neither use the parent's connections nor close them for it."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._open = weakref.WeakSet()
            self._opening = make_lock()  # a thread of the parent may have held it
            self._drop_idle()

    def _leave(self, link: MsgpackConnection) -> None:
        if len(self._idle) < IDLE_CONNECTIONS:
            self._idle.append(link)
        else:
            link.close()

    def _drop_idle(self) -> None:
        while self._idle:
            with contextlib.suppress(IndexError):
                self._idle.pop().close()

    def _connect(self, until: float | None) -> MsgpackConnection:
        tries = Tries(self._token.address, until)
        while True:
            try:
                link = self._connect_once(until)
                break
            except BusyError as error:
                if self._stop.is_set() or self._stop.wait(tries.find_pause(error)):
                    raise
        with self._opening:
            self._open.add(link)
        # ``close`` may have come too early to see this one.
        if self._closed.is_set():
            link.close()
            raise EOFError
        self._on_connected()
        return link

    def _connect_once(self, until: float | None) -> MsgpackConnection:
        """Open a connection. Raises BusyError if the coordinator closes it, or says that it has no
        room for it.
        """
        link = dial(self._token.address, self._authkey, until, self._encryption)
        try:
            greet(link, self._token.id, until)
        except (EOFError, ConnectionError) as error:
            raise explain_refusal(self._token.address, error) from None
        return link


class RetryingProxy(Struct, frozen=True):
    """Repeats a call whose connection is lost, with backoff and jitter, for ``patience_seconds``,
    or until the caller's limit: see ``timeouts``.

    Every method may be repeated. A refused key or another protocol is final at once, unless the
    coordinator has accepted the key before: see ``acquaintances``.
    """

    proxy: Proxy
    patience_seconds: float
    on_lost: Callable[[UnreachableError], None]
    stop: threading.Event
    closed: threading.Event

    def call(self, method: str, prepare: Callable[..., object], *arguments: Any) -> Any:
        """Return the answer, after as many attempts as necessary. Raises UnreachableError.

        ``prepare`` makes a message of the arguments, whose waits end by the caller's limit. Raises
        ClosedError if the manager is or becomes closed.
        """
        attempts = Attempts(self.patience_seconds)
        while True:
            if self.closed.is_set():
                raise ClosedError
            try:
                message = prepare(*attempts.shorten(arguments))
                return self.proxy.call(method, message, attempts.until)
            except UnreachableError as error:
                pause = attempts.find_pause()
                if self.closed.is_set():
                    raise ClosedError from None
                if pause is None or self.stop.is_set():
                    raise (error.refusal or error) from None
                self.on_lost(error)
            self.stop.wait(pause)


class Caller:
    """The methods of an API over the network, as attributes; see ``QueueManager``.

    Nothing here refers back to the caller, so when the last reference to it is gone, its
    connections are closed at once, without waiting for the garbage collector.
    """

    def __init__(self, api: type, proxy: RetryingProxy) -> None:
        for method, signature in read_signatures(api).items():
            setattr(self, method, partial(proxy.call, method, signature.arguments))


class QueueManager(managers.BaseManager):
    """The coordinator's two queues and its shared state, as served and as called.

    ``patience_seconds`` is how long a call keeps trying while the coordinator is away. ``on_lost``
    is called with the error of each attempt that will be repeated, and ``on_connected`` when the
    coordinator has accepted a connection. ``encryption`` is how a client connects. After ``close``,
    each call raises ClosedError.
    """

    def __init__(
        self,
        address: Address,
        key: bytes,
        *,
        patience_seconds: float = 0.0,
        on_lost: Callable[[UnreachableError], None] | None = None,
        on_connected: Callable[[], object] | None = None,
        encryption: Encryption = AUTOMATIC,
    ) -> None:
        super().__init__(address, key, SERIALIZER)
        self._key = key
        self._encryption = encryption
        self._patience_seconds = patience_seconds
        self._on_lost = on_lost or _ignore_loss
        self._on_connected = on_connected or do_nothing
        self._stop = threading.Event()
        self._closed = threading.Event()
        self._proxies: weakref.WeakSet[Proxy] = weakref.WeakSet()

    def close(self) -> None:
        """Close the connections of all threads, for good: no more calls are allowed."""
        self._closed.set()
        self.interrupt()

    def interrupt(self) -> None:
        """End the pending calls. Later calls are tried only once."""
        self._stop.set()
        for proxy in list(self._proxies):
            proxy.close()

    def replace_key(self, key: bytes) -> None:
        """Use another key from the next connection on; open connections are not affected."""
        self._key = key
        for proxy in list(self._proxies):
            proxy.replace_key(key)

    def get_server(  # type: ignore[override] # BaseManager's takes no objects
        self,
        jobs: object,
        results: object,
        shared: object,
        limits: ServerLimits | None = None,
        on_bytes: Callable[[int, int], None] | None = None,
        find_keys: Callable[[bytes], Keys] | None = None,
        on_refused: Callable[[str], None] | None = None,
    ) -> Server:
        """Make the server of these objects, which listens but does not yet accept.

        Their methods are called in the event loop's thread; those that wait are coroutines.
        ``find_keys`` returns the keys that are valid now: by default the manager's own and those of
        the roles.
        """
        from headrace_wire.server import Server  # noqa: PLC0415 - asyncio takes a while

        objects = {"jobs": jobs, "results": results, "shared": shared}
        keys = derive_keys(self._key)
        address = cast("Address", self.address)

        def find_own(hint: bytes) -> Keys:
            return {} if hint else keys

        return Server(objects, address, find_keys or find_own, limits, on_bytes, on_refused)

    def jobs(self) -> JobQueueApi:
        """The job queue of the coordinator."""
        return cast("JobQueueApi", self._caller("jobs"))

    def results(self) -> ResultQueueApi:
        """The result queue of the coordinator."""
        return cast("ResultQueueApi", self._caller("results"))

    def shared(self, answer_seconds: float = ANSWER_SECONDS, *, patient: bool = True) -> SharedApi:
        """The shared state of the coordinator.

        A call that receives nothing for ``answer_seconds`` counts as lost and is repeated; this
        must be longer than the waits that it requests. If not ``patient``, it is tried only once.
        """
        return cast("SharedApi", self._caller("shared", answer_seconds, patient=patient))

    def async_jobs(
        self, answer_seconds: float = ANSWER_SECONDS, *, patient: bool = True
    ) -> AsyncCaller[JobQueueApi]:
        """The job queue of the coordinator, for tasks of an event loop; options as for ``shared``.

        ``interrupt`` and ``close`` have no effect on it: calls are cancelled, and connections
        closed, in the loop.
        """
        return self._async_caller("jobs", answer_seconds, patient=patient)

    def async_results(self) -> AsyncCaller[ResultQueueApi]:
        """The result queue of the coordinator; see ``async_jobs``."""
        return self._async_caller("results")

    def async_shared(
        self, answer_seconds: float = ANSWER_SECONDS, *, patient: bool = True
    ) -> AsyncCaller[SharedApi]:
        """The shared state of the coordinator; see ``async_jobs``."""
        return self._async_caller("shared", answer_seconds, patient=patient)

    def _async_caller(
        self, name: str, answer_seconds: float = ANSWER_SECONDS, *, patient: bool = True
    ) -> AsyncCaller[Any]:
        from headrace_wire.async_caller import AsyncCaller  # noqa: PLC0415 - asyncio takes a while

        return AsyncCaller(
            name,
            cast("Address", self.address),
            self._key,
            encryption=self._encryption,
            answer_seconds=answer_seconds,
            patience_seconds=self._patience_seconds if patient else 0.0,
            on_lost=self._on_lost,
            on_connected=self._on_connected,
        )

    def _caller(
        self, name: str, answer_seconds: float = ANSWER_SECONDS, *, patient: bool = True
    ) -> Caller:
        address = cast("Address", self.address)
        proxy = Proxy(
            name,
            address,
            self._key,
            answer_seconds,
            self._closed,
            self._stop,
            self._encryption,
            self._on_connected,
        )
        self._proxies.add(proxy)
        seconds = self._patience_seconds if patient else 0.0
        retrying = RetryingProxy(proxy, seconds, self._on_lost, self._stop, self._closed)
        return Caller(APIS[name], retrying)


def _ignore_loss(error: UnreachableError) -> None:
    """Ignore a lost connection; no callback was given."""
