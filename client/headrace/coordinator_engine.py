"""The engine that is a coordinator at an address."""

from __future__ import annotations

from collections.abc import Callable

from headrace.outage import find_end
from headrace_wire.address import Address
from headrace_wire.api import JobQueueApi, ResultQueueApi, SharedApi
from headrace_wire.encryption import AUTOMATIC, Encryption
from headrace_wire.errors import UnreachableError
from headrace_wire.manager import ANSWER_SECONDS, QueueManager

#: How many seconds a waiting program tries to reach its coordinator again.
PATIENCE_SECONDS = 600.0


class CoordinatorEngine:
    """A coordinator's two queues and its shared state.

    Raises KeyRefusedError, and UnreachableError if nothing answers at the address. If the
    coordinator goes away later, calls wait for it for ``patience_seconds``, and ``on_lost`` is
    called. An OutageNotice as ``on_lost`` also notes when the coordinator is back.
    """

    def __init__(
        self,
        address: Address,
        key: bytes,
        on_lost: Callable[[UnreachableError], None] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        encryption: Encryption = AUTOMATIC,
    ) -> None:
        first = QueueManager(address, key, encryption=encryption)
        try:
            first.jobs().info()
        finally:
            first.close()
        self._manager = QueueManager(
            address,
            key,
            patience_seconds=patience_seconds,
            on_lost=on_lost,
            on_connected=find_end(on_lost),
            encryption=encryption,
        )
        self._jobs = self._manager.jobs()
        self._results = self._manager.results()

    @property
    def jobs(self) -> JobQueueApi:
        return self._jobs

    @property
    def results(self) -> ResultQueueApi:
        return self._results

    @property
    def lacks_room(self) -> bool:
        info = self._jobs.info()
        return bool(info.held or info.problem)

    def shared(self, answer_seconds: float = ANSWER_SECONDS, *, patient: bool = True) -> SharedApi:
        return self._manager.shared(answer_seconds, patient=patient)

    def replace_key(self, key: bytes) -> None:
        """Use another key from the next connection on."""
        self._manager.replace_key(key)

    def interrupt(self) -> None:
        self._manager.interrupt()

    def close(self) -> None:
        self._manager.close()
