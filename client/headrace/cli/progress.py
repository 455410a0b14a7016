"""Progress on standard error: a bar on a terminal, next to nothing elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

import click

from headrace.cli.printing import tell
from headrace_wire.printing import clean_line

#: Characters of the bar.
WIDTH = 30


class Progress:
    """One bar at a time. Without a terminal only a job that cannot start is spoken of, once."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._bar: Any = None
        self._label = ""
        self._told = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def begin(self, label: str, length: int) -> None:
        """Start a bar of this length in place of the last one."""
        self.close()
        self._label = label = clean_line(label)
        if self._terminal:
            bar = click.progressbar(
                length=max(length, 1), label=label, file=sys.stderr, width=WIDTH, show_pos=True
            )
            self._bar = bar
            self._bar.render_progress()

    def update(self, position: int, waiting_for: str = "") -> None:
        """Move the bar on, and say what the job waits for, if it does."""
        if self._bar is not None:
            why = f": {clean_line(waiting_for)}" if waiting_for else ""
            self._bar.label = f"{self._label}{why}"
            self._bar.update(position - self._bar.pos)
            self._bar.render_progress()
        elif waiting_for and waiting_for != self._told:
            tell(f"headrace: waiting: {waiting_for}")
        self._told = waiting_for

    def tell_waiting(self, waiting_for: str) -> None:
        """Say what is waited for, where the bar stands."""
        self.update(self._bar.pos if self._bar is not None else 0, waiting_for)

    def close(self) -> None:
        """Leave the terminal's line."""
        if self._bar is not None:
            self._bar.render_finish()
            self._bar = None
