"""What a pool and an executor have in common: a cluster, and how calls are made on it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headrace.cluster import Cluster
from headrace.sessions import open_session
from headrace.stream import Stream
from headrace.submission import SubmitOptions
from headrace_services.calls import CallOptions
from headrace_services.calls.main_module import describe_main
from headrace_services.calls.plan import Function, check_initializer
from headrace_services.calls.transport import Serializer
from headrace_worker.cores import count_usable_cores


class CallSession:
    """A cluster that is there, or an embedded one, and the streams of calls that go to it.

    ``place`` is the cluster's address, or how many processes to start here, None for one a core.
    ``max_tasks`` is how many tasks each of those runs. Raises TypeError for an initializer that is
    none, and what ``open_session`` does.
    """

    def __init__(
        self,
        place: int | str | None,
        key_file: str | Path | None,
        *,
        serializer: Serializer | None,
        initializer: Function | None,
        initargs: Iterable[Any],
        max_tasks: int | None,
        submit_options: SubmitOptions,
    ) -> None:
        address = place if isinstance(place, str) else None
        check_initializer(initializer)
        self.options = CallOptions(
            serializer=serializer or ("msgpack" if address else "cloudpickle"),
            initializer=initializer,
            initargs=tuple(initargs),
            pool=secrets.token_hex(8),
            main=None if address else describe_main(),
        )
        #: How many calls run at once; on a cluster, where nobody knows, as many as on this machine.
        self.processes = place if isinstance(place, int) else count_usable_cores().count
        self._submit_options = submit_options
        self._stack = contextlib.ExitStack()
        self.cluster: Cluster = self._stack.enter_context(
            open_session(
                address,
                key_file,
                slots="auto" if place is None or address else str(place),
                max_tasks=max_tasks,
            )
        )

    def open_stream(self, operation: str, parameters: dict[str, object], **told: Any) -> Stream:
        """A new stream of calls; ``told`` is whom it tells what. See Stream."""
        return Stream(
            self.cluster.engine,
            "calls",
            operation,
            parameters,
            options=self._submit_options,
            **told,
        )

    def close(self) -> None:
        """Leave the cluster, or stop the embedded one. It may be called again."""
        self._stack.close()
