"""The checkpointer: one thread that looks after the store beside the commits.

It folds the log into the database's file, and removes what large jobs leave when deleted.
SQLite itself would fold the log during a commit, which then waits for the disk: for the file, and
for whatever else has not been written yet, large payloads among it. When nothing has been committed
for a while it returns free memory to the system, which takes a moment, too. The coordinator starts
it after the ledger, and stops it before the store is closed.
"""

from __future__ import annotations

import logging
import threading

from headrace_coordinator.ledger.ledger import Ledger
from headrace_wire.errors import StoreError
from headrace_wire.heap import give_blocks_back

log = logging.getLogger(__name__)

#: Seconds between two looks for something to fold.
LOOK_SECONDS = 1.0

#: Looks without a commit after which free memory is returned to the system, and again after as many
#: more: connections that end meanwhile free memory, too.
QUIET_LOOKS = 2
MORE_QUIET_LOOKS = 10

#: Seconds between two removals of some of a job's rows, in which others may commit.
PAUSE_SECONDS = 0.005


class Checkpointer:
    """Looks at a ledger and its store every second."""

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
            except StoreError as error:  # a commit fails for the same reason, and says so
                log.debug("%s", error)
