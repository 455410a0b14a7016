"""What tasks say beside their outcomes, as it comes from the slots."""

from __future__ import annotations

from headrace_worker.link.messages import Lines, Progress, TaskLine


class News:
    """Lines until they are taken, and the latest word of the task that each slot runs."""

    def __init__(self) -> None:
        self._lines: list[TaskLine] = []
        self._progress: dict[int, Progress] = {}

    def hear(self, slot: int, message: Lines | Progress) -> None:
        """Take in what a slot has sent."""
        if isinstance(message, Lines):
            if message.dropped:
                first = message.lines[0]
                text = f"({message.dropped} lines came too fast)"
                self._lines.append(TaskLine(first.job, first.index, first.at, "warning", text))
            self._lines += message.lines
        else:
            self._progress[slot] = message

    def end_task(self, slot: int, job: str, indices: range) -> None:
        """Forget how far a task of a slot was: it has its outcome, or the slot is dead."""
        progress = self._progress.get(slot)
        if progress and progress.job == job and progress.index in indices:
            del self._progress[slot]

    def end_slot(self, slot: int) -> None:
        """Forget a slot that is dead."""
        self._progress.pop(slot, None)

    def take_lines(self) -> list[TaskLine]:
        """Take what tasks have logged since the last call."""
        lines, self._lines = self._lines, []
        return lines

    def list_progress(self) -> tuple[Progress, ...]:
        """List how far the running tasks say they are, those that do."""
        return tuple(self._progress.values())
