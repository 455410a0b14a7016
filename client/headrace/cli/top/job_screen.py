"""One job: its state, what runs, what failed and why, and what its tasks logged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Log, TabbedContent, TabPane

from headrace.cli.figures import format_duration, format_part, format_speed, format_taken
from headrace.cli.log_lines import explain_missed, format_line
from headrace.cli.logs import describe_running
from headrace.cli.show import describe_status, describe_time
from headrace.cli.top import failure_rows
from headrace.cli.top.application import find_app
from headrace.cli.top.dialogs import Reading
from headrace.cli.top.footer import make_footer
from headrace.cli.top.job_actions import JobActions
from headrace.cli.top.job_rows import describe_job
from headrace.cli.top.listing import SCROLLBAR, Listing
from headrace.cli.top.plain_text import PlainText
from headrace.cli.top.running_rows import describe_tasks
from headrace.cli.top.view import SeenOfJob
from headrace.cli.top.words import draw_bar, find_part_done, fold, write_clock
from headrace_wire.alike import explain_rest
from headrace_wire.errors import UnknownJobError
from headrace_wire.messages.job_views import FailureGroups
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.printing import clean_line
from headrace_wire.words import count

if TYPE_CHECKING:
    from headrace.cli.top.view import JobSnapshot, View

BAR_WIDTH = 32

#: How many lines of a job's log can be scrolled through.
LINES_KEPT = 5000

TABS = ("running", "failures", "log", "about")


class JobScreen(JobActions):
    """A live view of a job, until escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "Tabs", key_display="left right", priority=True),
        Binding("right", "turn(1)", show=False, priority=True),
        Binding("escape,q,backspace", "back", "Back", key_display="esc"),
    ]

    def __init__(self, view: View, interval: float, job: str) -> None:
        super().__init__(view, interval)
        self._job = job
        self._seen = SeenOfJob()
        self._snapshot: JobSnapshot | None = None
        self._failures = FailureGroups((), 0)

    def compose(self) -> ComposeResult:
        yield PlainText(id="head")
        yield PlainText(id="trouble")
        with TabbedContent(id="tabs"):
            with TabPane("Running", id="running"), VerticalScroll(id="running-scroll"):
                yield PlainText(id="running-text")
            with TabPane("Failures", id="failures"):
                yield PlainText(id="failed-about")
                yield Listing(failure_rows.COLUMNS, id="failed")
            with TabPane("Log", id="log"):
                yield Log(id="lines", max_lines=LINES_KEPT)
            with TabPane("About", id="about"), VerticalScroll(id="about-scroll"):
                yield PlainText(id="about-text")
        yield PlainText(id="said")
        yield make_footer()

    def on_mount(self) -> None:
        self._focus_pane()

    async def look(self) -> None:
        try:
            self._snapshot = snapshot = await self.view.look_at(self._job, self._seen)
        except UnknownJobError:
            if self._snapshot is None:
                self.dismiss(f"job {self._job} is there no more")
                return
            raise
        if snapshot.failures is not None:
            self._failures = snapshot.failures
        self._show(snapshot)

    def find_job(self) -> JobStatus | None:
        return self._snapshot.status if self._snapshot else None

    def after_deletion(self, said: str) -> None:
        self.dismiss(said)

    def _show(self, snapshot: JobSnapshot) -> None:
        head = "\n".join(map(clean_line, _describe_head(snapshot)))
        self.query_one("#head", PlainText).show_text(head)
        self._show_text("#running-text", _describe_running(snapshot))
        about = [f"{word:<12}{value}" for word, value in describe_status(snapshot.status)]
        self._show_text("#about-text", about)
        if snapshot.failures is not None:
            rows = [(str(group.first), failure_rows.make_row(group)) for group in self._failures]
            self.query_one("#failed", Listing).show_rows(rows)
            failed = snapshot.status.failed
            rest = explain_rest(self._failures, failed) if failed else "no task has failed for good"
            about_failed = self.query_one("#failed-about", PlainText)
            about_failed.show_text(rest)
            about_failed.display = bool(rest)
        tab = self.query_one(TabbedContent).get_tab("failures")
        label = f"Failures {snapshot.status.failed:,}"
        if tab.label_text != label:
            tab.label = label
        self._show_log(snapshot)

    def _show_log(self, snapshot: JobSnapshot) -> None:
        # Earlier lines stay as they were written, even if the terminal's width has changed.
        width = self.size.width - SCROLLBAR
        shown = [format_line(line, write_clock) for line in snapshot.lines]
        if snapshot.lines_missed:
            shown.insert(0, explain_missed(snapshot.lines_missed))
        if shown:
            lines = [line for one in shown for line in one.split("\n")]
            folded = [part for line in lines for part in fold(line, width)]
            self.query_one("#lines", Log).write_lines(folded)

    def _show_text(self, where: str, lines: Iterator[str] | list[str]) -> None:
        self.query_one(where, PlainText).show_text("\n".join(map(clean_line, lines)))

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show everything about the failure under the cursor."""
        event.stop()
        chosen = self.query_one("#failed", Listing).chosen
        for group in self._failures:
            if str(group.first) == chosen:
                title = failure_rows.describe_title(group)
                text = "\n".join(failure_rows.describe_group(group))
                find_app(self).push_screen(Reading(title, text))

    def action_back(self) -> None:
        self.dismiss()

    def action_turn(self, step: int) -> None:
        tabs = self.query_one(TabbedContent)
        tabs.active = TABS[(TABS.index(tabs.active) + step) % len(TABS)]
        self._focus_pane()

    def _focus_pane(self) -> None:
        places = ("#running-scroll", "#failed", "#lines", "#about-scroll")
        active = self.query_one(TabbedContent).active or TABS[0]
        self.query_one(places[TABS.index(active)]).focus()


def _describe_head(snapshot: JobSnapshot) -> Iterator[str]:
    status = snapshot.status
    yield f"job {status.id}  {status.state}  {describe_job(status)}"
    done, of = find_part_done(status)
    part = f"{draw_bar(done, of, BAR_WIDTH)} {format_part(done, of)}"
    if status.finished_at is None:
        part += f"  {format_speed(status.speed)}" if status.speed is not None else ""
        left = status.left_seconds
        part += f", {format_duration(left)} left" if left is not None else ""
    else:
        part += f"  took {format_taken(status.wall_seconds)}"
    yield part
    counts = (
        (status.done, "done"),
        (status.failed, "failed"),
        (status.leased, "leased"),
        (status.retrying, "retrying"),
        (status.waiting, "waiting"),
        (status.cancelled, "cancelled"),
    )
    told = ", ".join(f"{number:,} {word}" for number, word in counts if number)
    yield f"{count(status.tasks, 'task')}: {told}" if told else count(status.tasks, "task")


def _describe_running(snapshot: JobSnapshot) -> Iterator[str]:
    tasks = list(describe_tasks(snapshot.running, snapshot.progress))
    yield from tasks
    if not tasks:
        leased = count(snapshot.status.leased, "task is", "tasks are")
        told = f"{leased} leased; those that run for a while are listed here"
        yield told if snapshot.status.leased else "nothing runs"
    for word, value in describe_running(snapshot.status.counters, ()):
        yield f"{word:<10}{value}"
    for time in snapshot.slowest:
        yield f"slow      {describe_time(time)}"
