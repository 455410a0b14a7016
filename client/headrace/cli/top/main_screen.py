"""The lists of jobs, of workers and of events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher, DataTable, Input

from headrace.cli.top import event_rows, job_rows, worker_rows
from headrace.cli.top.actions import drain
from headrace.cli.top.application import find_app
from headrace.cli.top.footer import make_footer
from headrace.cli.top.job_actions import JobActions
from headrace.cli.top.job_screen import JobScreen
from headrace.cli.top.listing import Listing
from headrace.cli.top.plain_text import PlainText
from headrace.cli.top.summary import describe_cluster, describe_trouble
from headrace.cli.top.worker_screen import WorkerScreen
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.workers import WorkerStatus
from headrace_wire.printing import clean_line
from headrace_wire.words import count

if TYPE_CHECKING:
    from headrace.cli.top.view import ClusterSnapshot, View

JOBS, WORKERS, EVENTS = "jobs", "workers", "events"


class MainScreen(JobActions):
    """A live view of the cluster."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "act('Delete')", "Delete"),
        Binding("d", "drain", "Drain"),
        Binding("f,slash", "filter", "Filter", key_display="f"),
        Binding("j", f"switch('{JOBS}')", "Jobs"),
        Binding("w,tab", f"switch('{WORKERS}')", "Workers", key_display="w"),
        Binding("e", f"switch('{EVENTS}')", "Events"),
        Binding("escape", "show_all", "All", show=False),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, view: View, interval: float, where: str) -> None:
        super().__init__(view, interval)
        self._where = where
        self._snapshot: ClusterSnapshot | None = None
        self._wanted = ""

    def compose(self) -> ComposeResult:
        yield PlainText(id="head")
        yield PlainText(id="trouble")
        with ContentSwitcher(id="lists", initial=JOBS):
            yield Listing(job_rows.COLUMNS, id=JOBS)
            yield Listing(worker_rows.COLUMNS, id=WORKERS)
            yield Listing(event_rows.COLUMNS, id=EVENTS, newest_first=True)
        yield PlainText(id="count")
        yield Input(placeholder="words to look for", id="filter", compact=True)
        yield PlainText(id="said")
        yield make_footer()

    def on_mount(self) -> None:
        self.query_one("#filter", Input).display = False
        self._listing.focus()

    async def look(self) -> None:
        self._snapshot = await self.view.look(self._wanted)
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the actions for what is listed."""
        current = self.query_one(ContentSwitcher).current if self.is_mounted else JOBS
        match action:
            case "act":
                return current == JOBS and parameters != ("Replay",)
            case "drain":
                return current == WORKERS
            case "switch":
                return parameters != (current,) or current == WORKERS
            case _:
                return True

    def find_job(self) -> JobStatus | None:
        jobs = self._snapshot.jobs if self._snapshot else ()
        return next((job for job in jobs if job.id == self._listing.chosen), None)

    def describe_trouble(self) -> str:
        return describe_trouble(self._snapshot) if self._snapshot else ""

    @property
    def _listing(self) -> Listing:
        switcher = self.query_one(ContentSwitcher)
        return switcher.query_one(f"#{switcher.current}", Listing)

    def _find_worker(self) -> WorkerStatus | None:
        workers = self._snapshot.workers if self._snapshot else ()
        return next((one for one in workers if one.id == self._listing.chosen), None)

    def _show(self) -> None:
        snapshot = self._snapshot
        if snapshot is None:
            return
        head = "\n".join(map(clean_line, describe_cluster(snapshot, self._where)))
        self.query_one("#head", PlainText).show_text(head)
        listing = self._listing
        rows = dict(self._make_rows(snapshot, str(listing.id)))
        listing.show_rows(rows.items())
        said = self._describe_list(snapshot, str(listing.id), len(rows))
        self.query_one("#count", PlainText).show_text(said or self._describe_event())

    def _make_rows(
        self, snapshot: ClusterSnapshot, what: str
    ) -> Iterable[tuple[str, Mapping[str, str]]]:
        if what == JOBS:
            for job in snapshot.jobs:
                if job_rows.is_meant(job, self._wanted):
                    yield job.id, job_rows.make_row(job)
        elif what == WORKERS:
            for worker in snapshot.workers:
                if worker_rows.is_meant(worker, self._wanted):
                    yield worker.id, worker_rows.make_row(worker, snapshot.speeds)
        else:
            for event in snapshot.events:
                if event_rows.is_meant(event, self._wanted):
                    yield str(event.number), event_rows.make_row(event)

    def _describe_list(self, snapshot: ClusterSnapshot, what: str, shown: int) -> str:
        word = what.removesuffix("s")
        if self._wanted:
            return f"{count(shown, word)} with {clean_line(self._wanted)!r}; escape shows all"
        there = sum(snapshot.overview.jobs.values()) if what == JOBS else shown
        if not there:
            return f"there is no {word}"
        return f"{shown:,} of {count(there, word)}" if shown < there else ""

    def _describe_event(self) -> str:
        """Return all of the event under the cursor, of which a narrow list only shows a part."""
        if self._snapshot is None or self._listing.id != EVENTS:
            return ""
        chosen, events = self._listing.chosen, self._snapshot.events
        return next((clean_line(one.text) for one in events if str(one.number) == chosen), "")

    def on_data_table_row_highlighted(self) -> None:
        """Show all of the event under the cursor."""
        if said := self._describe_event():
            self.query_one("#count", PlainText).show_text(said)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open what is under the cursor."""
        event.stop()
        if job := self.find_job():
            self._open_job(job.id)
        elif worker := self._find_worker():
            find_app(self).push_screen(
                WorkerScreen(self.view, self._interval, worker.id, worker.name)
            )
        elif self._snapshot:
            for one in self._snapshot.events:
                if str(one.number) == self._listing.chosen and one.job:
                    self._open_job(one.job)

    def _open_job(self, job: str) -> None:
        find_app(self).push_screen(JobScreen(self.view, self._interval, job), self._say_last)

    def _say_last(self, said: str | None) -> None:
        """Show the message of a screen that was closed."""
        if said:
            self.say(said)

    def action_switch(self, what: str) -> None:
        switcher = self.query_one(ContentSwitcher)
        switcher.current = JOBS if switcher.current == what else what
        self._listing.focus()
        self._show()
        self.refresh_bindings()

    def action_drain(self) -> None:
        worker = self._find_worker()
        if worker is None:
            self.say("there is no worker to drain")
            return
        self.ask(worker_rows.ask_to_drain(worker.name), drain(self.view.jobs, worker.id))

    def action_filter(self) -> None:
        asked = self.query_one("#filter", Input)
        asked.display = True
        asked.focus()

    def action_show_all(self) -> None:
        asked = self.query_one("#filter", Input)
        asked.value = ""
        asked.display = False
        self._wanted = ""
        self._listing.focus()
        self._show()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._wanted = event.value
        self._show()
        self.look_soon()

    def on_input_submitted(self) -> None:
        self.query_one("#filter", Input).display = False
        self._listing.focus()
