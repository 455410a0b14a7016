"""A progress bar on a terminal, drawn by rich; imported only where there is one."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text
from rich.theme import Theme

#: Characters of the bar, where the terminal is wide enough.
WIDTH = 30

#: Colours that every terminal has, so that its own settings make them fit to its ground.
STYLES = {"bar.complete": "cyan", "bar.finished": "green", "bar.back": "bright_black"}

#: Columns that a label leaves to what stands beside it.
BESIDE_LABEL = 60

#: The label's shortest form.
SHORTEST_LABEL = 12

#: Columns left free at the end of the line, for the ``^C`` that a terminal shows: it must not begin
#: a new line, as the bar would be drawn once more there.
FREE_COLUMNS = 3

#: How often a second it is drawn anew: the time that it shows goes on even if nothing happens.
DRAWN_PER_SECOND = 4

#: Seconds of the past from which the time that is left is estimated.
ESTIMATED_FROM_SECONDS = 300


class Bar:
    """A bar on standard error. It is shown when it is made; the same thread has to close it.

    The first position that it is moved to was reached before, and is not counted in the estimate of
    how long the rest will take.
    """

    def __init__(
        self, label: str, length: int, get_time: Callable[[], float] | None = None
    ) -> None:
        console = _TerminalConsole(
            stderr=True, force_terminal=True, force_jupyter=False, theme=Theme(STYLES)
        )
        self._drawing = _Drawing(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None, table_column=Column(max_width=WIDTH)),
            _Count(table_column=Column(no_wrap=True)),
            _Times(table_column=Column(no_wrap=True)),
            console=console,
            refresh_per_second=DRAWN_PER_SECOND,
            speed_estimate_period=ESTIMATED_FROM_SECONDS,
            get_time=get_time,
            redirect_stdout=False,  # results are bytes, and are none of its business
        )
        label = shorten_label(label, max(console.width - BESIDE_LABEL, SHORTEST_LABEL))
        self._task = self._drawing.add_task(label, total=max(length, 1))
        self._drawing.start()

    def update(self, position: int, waiting_for: str) -> None:
        """Move on to this position, and show what the job waits for, "" for nothing."""
        self._drawing.waiting_for = waiting_for
        self._drawing.update(self._task, completed=position)

    def note_waiting(self, waiting_for: str) -> None:
        """Show what the job waits for, without moving."""
        self._drawing.waiting_for = waiting_for

    def print_above(self, line: str) -> None:
        """Print a line for people, above the bar."""
        self._drawing.console.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        """Draw it for the last time and go to the next line."""
        self._drawing.waiting_for = ""
        with contextlib.suppress(OSError):  # the terminal is gone, and nobody sees it
            self._drawing.stop()


class _Drawing(Progress):
    """The bar, and below it what the job waits for."""

    waiting_for = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.waiting_for:
            yield Text(f"waiting: {self.waiting_for}")


class _TerminalConsole(Console):
    """A console that does not hide the cursor: a process that is killed could not show it again.

    It is a little narrower than the terminal, for what the terminal itself shows.
    """

    @property
    def size(self) -> ConsoleDimensions:
        found = super().size
        return ConsoleDimensions(max(1, found.width - FREE_COLUMNS), found.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def show_cursor(self, show: bool = True) -> bool:
        del show
        return False


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f}/{task.total or 0:,.0f}")


class _Times(ProgressColumn):
    """A column with the time that has passed, and an estimate of the time that is left."""

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time if task.finished else task.elapsed
        words = f"{_write_time(elapsed or 0.0)} elapsed"
        left = task.time_remaining
        if left and not task.finished:
            words += f", about {_write_time(left)} left"
        return Text(words)


def shorten_label(label: str, most: int) -> str:
    """A label of so many characters at most: of a long name the end says most."""
    if len(label) <= most:
        return label
    first, _, rest = label.partition(" ")
    kept = most - len(f"{first} …")
    return f"{first} …{rest[-kept:]}" if kept > 0 else label[:most]


def _write_time(seconds: float) -> str:
    return str(dt.timedelta(seconds=round(seconds)))
