"""The connection of a task to the cluster that runs it. It is opened once per slot."""

from __future__ import annotations

from headrace.coordinator_engine import CoordinatorEngine
from headrace.shared.session import SharedSession
from headrace_services.this_slot import THIS_SLOT
from headrace_wire.errors import UsageError
from headrace_wire.locks import make_lock

_opening = make_lock()
_opened: list[TaskConnection] = []


class TaskConnection:
    """An engine and a session of shared state, open while the slot exists. It is thread-safe."""

    def __init__(self, engine: CoordinatorEngine) -> None:
        self.engine = engine
        self._opening = make_lock()
        self._session: SharedSession | None = None

    def open_session(self) -> SharedSession:
        """Return the session, which is opened when it is first needed."""
        with self._opening:
            if self._session is None:
                self._session = SharedSession(self.engine)
            return self._session

    def take_token(self) -> None:
        """Use a new token, because the next tasks of this process belong to another job."""
        self.engine.replace_key(THIS_SLOT.token.encode())
        if self._session:
            self._session.go_on()

    def end_task(self) -> None:
        """Note that a task of this process is over."""
        if self._session:
            self._session.end_task()

    def close(self) -> None:
        """Close it, because the slot ends."""
        if self._session:
            self._session.close()
        self.engine.close()


def open_task_connection() -> TaskConnection:
    """Return the connection of this slot. Raises UsageError in other processes."""
    home = THIS_SLOT.home
    if home is None:
        raise UsageError(
            THIS_SLOT.no_home
            or "current_cluster() is for functions that run on a worker: elsewhere open a "
            "headrace.Cluster, or use that of a pool: pool.cluster"
        )
    with _opening:
        if not _opened:
            key, encryption = THIS_SLOT.token.encode(), home.encryption
            opened = TaskConnection(CoordinatorEngine(home.address, key, encryption=encryption))
            THIS_SLOT.on_token.append(opened.take_token)
            THIS_SLOT.on_task_end.append(opened.end_task)
            THIS_SLOT.on_slot_end.append(opened.close)
            _opened.append(opened)
        return _opened[0]
