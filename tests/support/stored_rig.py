"""A queue whose events go to a store, for tests of what is in there when."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.store.store import Durability, Store
from support.queue_builders import Rig


class StoredRig(Rig):
    """``seconds`` is the store's clock, too."""

    def __init__(
        self, path: Path, durability: Durability = "process", rules: Rules | None = None
    ) -> None:
        super().__init__(rules)
        self.path = path
        self.store = Store(path, durability)

    def write(self) -> None:
        """Commit what has happened."""
        state = self.queue.state
        self.store.write(state.drain_events(), state.jobs, self.seconds)

    def read(self, query: str) -> list[Any]:
        """The first column of what anybody else finds in the database."""
        with closing(sqlite3.connect(self.path)) as connection:
            return [row[0] for row in connection.execute(query)]
