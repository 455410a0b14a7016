"""What connects a task that runs here with the cluster that runs it; opened once in a slot."""

from __future__ import annotations

import threading
from pathlib import Path

from headrace.coordinator_engine import CoordinatorEngine
from headrace.engine import Engine
from headrace.shared.session import SharedSession
from headrace_services.home import THIS_SLOT
from headrace_wire.encryption import Encryption
from headrace_wire.errors import UsageError
from headrace_wire.key import load_key

_opening = threading.Lock()
_opened: list[TaskConnection] = []


class TaskConnection:
    """An engine and a session of shared state, open as long as the slot lives. Thread safe."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._opening = threading.Lock()
        self._session: SharedSession | None = None

    def open_session(self) -> SharedSession:
        """The session; begun when it is first asked for."""
        with self._opening:
            if self._session is None:
                self._session = SharedSession(self.engine)
            return self._session

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
            "current_cluster() is for functions that run on a worker: elsewhere open a "
            "headrace.Cluster, or use that of a pool: pool.cluster"
        )
    with _opening:
        if not _opened:
            key = load_key(Path(home.key_file))
            encryption = Encryption(home.tls)
            opened = TaskConnection(CoordinatorEngine(home.address, key, encryption=encryption))
            THIS_SLOT.on_task_end.append(opened.end_task)
            THIS_SLOT.on_slot_end.append(opened.close)
            _opened.append(opened)
        return _opened[0]
