"""What connects a task that runs here with the cluster that runs it; opened once in a slot."""

from __future__ import annotations

from headrace.coordinator_engine import CoordinatorEngine
from headrace.shared.session import SharedSession
from headrace_services.home import THIS_SLOT
from headrace_wire.errors import UsageError
from headrace_wire.locks import make_lock

_opening = make_lock()
_opened: list[TaskConnection] = []


class TaskConnection:
    """An engine and a session of shared state, open as long as the slot lives. Thread safe."""

    def __init__(self, engine: CoordinatorEngine) -> None:
        self.engine = engine
        self._opening = make_lock()
        self._session: SharedSession | None = None

    def open_session(self) -> SharedSession:
        """The session; begun when it is first asked for."""
        with self._opening:
            if self._session is None:
                self._session = SharedSession(self.engine)
            return self._session

    def take_token(self) -> None:
        """The next tasks of this process are of another job."""
        self.engine.replace_key(THIS_SLOT.token.encode())
        if self._session:
            self._session.go_on()

    def end_task(self) -> None:
        """A task of this process is over."""
        if self._session:
            self._session.end_task()

    def close(self) -> None:
        """The slot ends."""
        if self._session:
            self._session.close()
        self.engine.close()


def open_task_connection() -> TaskConnection:
    """The connection of this slot. Raises UsageError in other processes."""
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
