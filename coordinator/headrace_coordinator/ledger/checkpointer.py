"""The checkpointer: a thread that maintains the store between commits.

It checkpoints the log into the database file, and removes what large jobs leave when they are
deleted. SQLite itself would checkpoint during a commit, which would then wait for the disk: for the
database file, and for everything else that has not been written yet, such as large payloads. If
nothing has been committed for a while, the checkpointer returns free memory to the system, which
also takes a moment. The coordinator starts it after the ledger, and stops it before the store is
closed.
"""

from __future__ import annotations

import logging
import threading

from headrace_coordinator.ledger.ledger import Ledger
from headrace_wire.errors import StoreError
from headrace_wire.system.heap import give_blocks_back

log = logging.getLogger(__name__)

#: Seconds between two checks whether there is something to do.
LOOK_SECONDS = 1.0

#: After how many checks without a commit free memory is returned to the system, and after how many
#: more it is returned again, because connections that end meanwhile free memory, too.
QUIET_LOOKS = 2
MORE_QUIET_LOOKS = 10

#: Seconds between two removals of some of a job's rows, in which others may commit.
PAUSE_SECONDS = 0.005


class Checkpointer:
    """Maintains a ledger and its store, every second."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)

    def start(self) -> None:
        self._ledger.store.leave_log()
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        folded = quiet_looks = 0
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                while self._ledger.sweep() and not self._stopping.wait(PAUSE_SECONDS):
                    pass
                commits = self._ledger.commits
                if commits != folded:
                    self._ledger.store.fold_log()
                    folded, quiet_looks = commits, 0
                else:
                    quiet_looks += 1
                    if quiet_looks % MORE_QUIET_LOOKS == QUIET_LOOKS:
                        give_blocks_back()
            except StoreError as error:  # a commit fails for the same reason, and reports it
                log.debug("%s", error)
