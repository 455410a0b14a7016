"""What tasks say beside their outcomes, as it comes from the slots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from headrace_worker.link.messages import LINES

if TYPE_CHECKING:
    from headrace_worker.link.channel import Message

#: Lines that are kept until they are taken; the oldest are dropped.
KEPT_LINES = 10_000


class TaskLine(Struct, frozen=True):
    """A line that a task logged, at Unix seconds ``at``."""

    job: str
    index: int
    at: float
    level: str
    text: str


class Progress(Struct, frozen=True):
    """How far a running task says it is."""

    job: str
    index: int
    done: float
    of: float | None


class News:
    """Lines until they are taken, and the latest word of the task that each slot runs."""

    def __init__(self) -> None:
        self._lines: list[TaskLine] = []
        self._progress: dict[int, Progress] = {}
        #: Whether something came since it was last taken.
        self.came = False

    def hear(self, slot: int, message: Message) -> None:
        """Take in what a slot sent under one of the words for it."""
        word, *rest = message
        if word == LINES:
            dropped, lines = rest
            self._lines += [TaskLine(*line) for line in lines]
            if dropped:
                job, index, at, *_ = lines[0]
                self._lines.insert(
                    len(self._lines) - len(lines),
                    TaskLine(job, index, at, "warning", f"({dropped} lines came too fast)"),
                )
            del self._lines[:-KEPT_LINES]
        else:
            self._progress[slot] = Progress(*rest)
        self.came = True

    def end_task(self, slot: int, job: str, indices: range) -> None:
        """Forget how far a task of a slot was: it has its outcome, or the slot is dead."""
        progress = self._progress.get(slot)
        if progress and progress.job == job and progress.index in indices:
            del self._progress[slot]
            self.came = True

    def end_slot(self, slot: int) -> None:
        """Forget a slot that is dead."""
        self._progress.pop(slot, None)

    def take_lines(self) -> list[TaskLine]:
        lines, self._lines = self._lines, []
        return lines

    def list_progress(self) -> tuple[Progress, ...]:
        return tuple(self._progress.values())
