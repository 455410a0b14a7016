"""The common part of a pool and an executor: a cluster, and the calls on it."""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from headrace.arguments import read_initargs
from headrace.cluster import Cluster
from headrace.connecting import check_connecting, require_kind
from headrace.data_uploader import DataUploader
from headrace.engine_choice import choose_engine
from headrace.ownership import Ownership
from headrace.pace import Pace
from headrace.sessions import open_session
from headrace.streams.stream import Stream
from headrace.submission import SubmitOptions
from headrace_services.calls import CallOptions
from headrace_services.calls.main_module import describe_main
from headrace_services.calls.plan import Function, check_initializer
from headrace_services.calls.transport import Serializer
from headrace_wire.address import Address
from headrace_wire.encryption import Encryption
from headrace_wire.engines import POOL
from headrace_wire.errors import HeadraceError, UnreachableError
from headrace_wire.timeouts import Limit
from headrace_worker.machine.cores import count_usable_cores

#: How many seconds a goodbye may take, in addition to waiting for an answer that is pending.
GOODBYE_SECONDS = 0.5

log = logging.getLogger(__name__)


class CallSession:
    """A running or an embedded cluster, and the streams of calls to it.

    ``place`` is the cluster's address, or how many processes to start here; None means one per
    core. ``max_tasks`` is how many tasks each of these processes runs, and ``engine`` runs them if
    it is not a pool: see ``parse_engine``. Raises UsageError for what an engine cannot do,
    TypeError for an initializer that cannot be called, and the errors of ``open_session``.
    """

    def __init__(
        self,
        place: int | Address | None,
        key_file: str | Path | None,
        *,
        tls: str | Encryption | None,
        serializer: Serializer | None,
        initializer: Function | None,
        initargs: Iterable[Any],
        max_tasks: int | None,
        submit_options: SubmitOptions,
        engine: str | None = None,
    ) -> None:
        address = place if isinstance(place, Address) else None
        check_connecting(None, key_file, None, 0.0)
        chosen = choose_engine(
            engine,
            address,
            limit="task_timeout" if submit_options.timeout_seconds is not None else "",
            recycling="a number of tasks for each process" if max_tasks is not None else "",
        )
        check_initializer(initializer)
        require_kind(serializer, str, "serializer", "'msgpack' or 'cloudpickle'")
        self.options = CallOptions(
            serializer=serializer or ("msgpack" if address else "cloudpickle"),
            initializer=initializer,
            initargs=read_initargs(initargs),
            pool=secrets.token_hex(8),
            # The program's file may not exist on another machine.
            main=None if address or chosen.address else describe_main(),
        )
        #: How many calls run at once; for a cluster, whose number is not known, this machine's
        #: cores.
        self.processes = place if isinstance(place, int) else count_usable_cores().count
        self._address = address
        self._place = address or chosen.title
        self.ownership = Ownership("pool")
        self._submit_options = submit_options
        self._streams: set[Stream] = set()
        self._told: set[str] = set()
        self._stack = contextlib.ExitStack()
        self.cluster: Cluster = self._stack.enter_context(
            open_session(
                address,
                key_file,
                tls=tls,
                slots="auto" if place is None or address else str(place),
                max_tasks=max_tasks,
                engine=chosen,
            )
        )
        self._is_pool = chosen.name == POOL
        if not self._is_pool:
            self.processes = max(1, self.count_slots())

        self._uploader = DataUploader(self.cluster.engine)

    def open_stream(
        self, operation: str, parameters: dict[str, object], **callbacks: Any
    ) -> Stream:
        """Open a new stream of calls. See ``Stream`` for its ``callbacks``."""
        left, drop = self._uploader.offload(parameters, self.options.parameters)
        stream = Stream(
            self.cluster.engine,
            "calls",
            operation,
            left,
            options=self._submit_options,
            on_silence=self._say_why if self._address or not self._is_pool else self._say_lack,
            on_held=self._say_why,
            explain=None if self._address else self._explain,
            on_end=drop,
            **callbacks,
        )
        self._streams = {stream for stream in self._streams if not stream.ended} | {stream}
        return stream

    def make_pace(self) -> Pace:
        """Return the pace of single calls, which can be cancelled as long as they are held here."""
        if self._address is None:
            return Pace(self.count_slots())
        before = time.monotonic()
        slots = self.count_slots()
        return Pace(slots, time.monotonic() - before)

    def count_slots(self) -> int:
        """Return how many slots there are now."""
        if self._address is not None or not self._is_pool:
            return self.cluster.engine.jobs.info().slots
        return self.processes

    def describe(self) -> str:
        """Return how many processes run the calls, or where the cluster is."""
        if self._address is not None:
            return f"cluster={self._address}"
        return f"pool_size={self.processes}"

    def prepare_to_wait(self, is_over: Callable[[], bool]) -> None:
        """Prepare to wait until ``is_over`` returns True, so that the wait can end.

        In a callback, this receives outcomes until then. Raises ForkedError in a forked child.
        """
        self.ownership.require()
        for stream in list(self._streams):
            if stream.is_receiver_thread:
                stream.receive_here(is_over)

    def join(self) -> None:
        """Wait until all calls in the streams, which accept no more calls, are over. Then leave."""
        for stream in list(self._streams):
            stream.join()
        self.close()

    def abandon(self) -> None:
        """Give up all calls and leave. This may be called again."""
        if not self.ownership.is_here:
            return  # everything belongs to the parent
        left = [stream for stream in list(self._streams) if stream.abandon()]
        if self._address is not None and left:
            self.cluster.engine.interrupt()  # ends retries; what follows is tried once
            # If this fails, the coordinator forgets the calls after a while.
            with contextlib.suppress(HeadraceError), Limit.after(GOODBYE_SECONDS).applied():
                for stream in left:
                    stream.forget()
        self.close()

    def close(self) -> None:
        """Leave the cluster, or stop the embedded one. This may be called again."""
        if self.ownership.is_here:
            self._uploader.close()
            if self._address is not None:
                with Limit.after(GOODBYE_SECONDS).applied():
                    self._uploader.drop_all()
            self._stack.close()

    def _explain(self, error: HeadraceError) -> HeadraceError:
        """Replace an error by the reason why the embedded cluster ended."""
        if isinstance(error, UnreachableError) and (why := self.cluster.explain_end()):
            return UnreachableError(why)
        return error

    def _say_lack(self, why: str) -> None:
        """Log why no outcome comes from an embedded pool if it is for lack of room: its worker will
        come, and its slots will stay.
        """
        if self.cluster.engine.lacks_room:
            self._say_why(why)

    def _say_why(self, why: str) -> None:
        """Log why no outcome comes, once for each reason."""
        if why not in self._told:
            self._told.add(why)
            log.warning("headrace: calls to %s are waiting: %s", self._place, why)
