"""A progress bar on a terminal, drawn by rich. It is only imported if there is a terminal."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text
from rich.theme import Theme

#: How many characters the bar has if the terminal is wide enough.
WIDTH = 30

#: Colours that every terminal has, and which its own settings adapt to its background.
STYLES = {"bar.complete": "cyan", "bar.finished": "green", "bar.back": "bright_black"}

#: How many columns must be left for what is beside a label.
BESIDE_LABEL = 60

#: How many characters the label has at least.
SHORTEST_LABEL = 12

#: How many columns are left free at the end of the line, for the ``^C`` that a terminal shows. If
#: that began a new line, the bar would be drawn once more there.
FREE_COLUMNS = 3

#: How many times per second it is redrawn. The time that it shows advances even if nothing happens.
DRAWN_PER_SECOND = 4

#: The time left is estimated from this many seconds of the past.
ESTIMATED_FROM_SECONDS = 300


class Bar:
    """A bar on standard error. It is shown when it is made, and must be closed by the same thread.

    The first position to which it is moved was reached before, and does not count in the estimate
    of the time left.
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
            redirect_stdout=False,  # results are bytes, and do not concern the bar
        )
        label = shorten_label(label, max(console.width - BESIDE_LABEL, SHORTEST_LABEL))
        self._task = self._drawing.add_task(label, total=max(length, 1))
        self._drawing.start()

    def update(self, position: int, waiting_for: str) -> None:
        """Move to this position, and show what the job waits for, "" for nothing."""
        self.note_waiting(waiting_for)
        self._drawing.update(self._task, completed=position)

    def note_waiting(self, waiting_for: str) -> None:
        """Show what the job waits for, without moving."""
        self._drawing.waiting_for = waiting_for
        self._drawing.update(self._task, waits=bool(waiting_for))

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
    """A console that does not hide the cursor, which a killed process could not show again.

    It is a little narrower than the terminal, to leave room for what the terminal itself shows.
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
    """A column with the time that has passed, and, unless the job waits, an estimate of the time
    left.
    """

    def render(self, task: Task) -> Text:
        elapsed = task.finished_time if task.finished else task.elapsed
        words = f"{_write_time(elapsed or 0.0)} elapsed"
        left = task.time_remaining
        if left and not task.finished and not task.fields.get("waits"):
            words += f", about {_write_time(left)} left"
        return Text(words)


def shorten_label(label: str, most: int) -> str:
    """Return a label of at most ``most`` characters. Of a long name, the end says most."""
    if len(label) <= most:
        return label
    first, _, rest = label.partition(" ")
    kept = most - len(f"{first} …")
    return f"{first} …{rest[-kept:]}" if kept > 0 else label[:most]


def _write_time(seconds: float) -> str:
    return str(dt.timedelta(seconds=round(seconds)))
