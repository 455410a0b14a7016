"""Shows what a job's tasks print and log, on standard error while a command waits for the job."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator

from headrace.cli.log_lines import format_line, read_log, tell_missed
from headrace.cli.printing import tell, tell_text
from headrace.engine import Engine
from headrace.job_log import Gaps
from headrace_wire.errors import ClosedError, HeadraceError

#: How many seconds the rest of a log may take after its job has ended.
REST_SECONDS = 10.0


@contextlib.contextmanager
def show_log(engine: Engine, job_id: str) -> Generator[None]:
    """Show a job's log, completely if the block ends normally; otherwise stop showing it."""
    tail = _Tail(engine, job_id)
    tail.start()
    try:
        yield
    except BaseException:
        tail.stopped.set()
        raise
    # The lines of a task arrive before its outcome.
    tail.join(REST_SECONDS)
    tail.stopped.set()


class _Tail(threading.Thread):
    def __init__(self, engine: Engine, job_id: str) -> None:
        super().__init__(name="headrace-log", daemon=True)
        self._engine = engine
        self._job_id = job_id
        self.stopped = threading.Event()

    def run(self) -> None:
        try:
            self._follow()
        except ClosedError:
            pass  # the command ends
        except HeadraceError as error:
            if not self.stopped.is_set():
                tell(f"headrace: the log of job {self._job_id} cannot be read: {error.message}")

    def _follow(self) -> None:
        gaps = Gaps()
        for page in read_log(self._engine, self._job_id, follow=True):
            if not self.stopped.is_set():
                tell_missed(gaps.find_missed(page))
            for line in page.lines:
                if self.stopped.is_set():
                    return
                tell_text(format_line(line))
