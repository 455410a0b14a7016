"""The lists of jobs and of workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher, DataTable, Footer, Input

from headrace.cli.top import job_rows, worker_rows
from headrace.cli.top.dialogs import Reading
from headrace.cli.top.job_screen import JobScreen
from headrace.cli.top.listing import Listing
from headrace.cli.top.plain_text import PlainText
from headrace.cli.top.polling import PollingScreen
from headrace.cli.top.summary import describe_cluster, describe_trouble
from headrace_wire.messages import JobStatus
from headrace_wire.printing import clean_line
from headrace_wire.words import count

if TYPE_CHECKING:
    from headrace.cli.top.view import Sight, View

JOBS, WORKERS = "jobs", "workers"


class MainScreen(PollingScreen):
    """What there is, live."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f,slash", "filter", "Filter", key_display="f"),
        Binding("w,tab", "switch", "Workers", key_display="w"),
        Binding("escape", "show_all", "All", show=False),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, view: View, interval: float, where: str) -> None:
        super().__init__(view, interval)
        self._where = where
        self._sight: Sight | None = None
        self._wanted = ""

    def compose(self) -> ComposeResult:
        yield PlainText(id="head", cut=True)
        yield PlainText(id="trouble")
        with ContentSwitcher(id="lists", initial=JOBS):
            yield Listing(job_rows.COLUMNS, id=JOBS)
            yield Listing(worker_rows.COLUMNS, id=WORKERS)
        yield PlainText(id="count")
        yield Input(placeholder="words to look for", id="filter", compact=True)
        yield PlainText(id="said")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self.query_one("#filter", Input).display = False
        self._listing.focus()

    async def look(self) -> None:
        self._sight = await self.view.look()
        self._show()

    def find_job(self) -> JobStatus | None:
        if self._sight is None or self._listing.id != JOBS:
            return None
        chosen = self._listing.chosen
        return next((job for job in self._sight.jobs if job.id == chosen), None)

    def describe_trouble(self) -> str:
        return describe_trouble(self._sight) if self._sight else ""

    @property
    def _listing(self) -> Listing:
        switcher = self.query_one(ContentSwitcher)
        return switcher.query_one(f"#{switcher.current}", Listing)

    def _show(self) -> None:
        sight = self._sight
        if sight is None:
            return
        head = "\n".join(map(clean_line, describe_cluster(sight, self._where)))
        self.query_one("#head", PlainText).show_text(head)
        jobs = [job for job in sight.jobs if job_rows.is_meant(job, self._wanted)]
        workers = [one for one in sight.workers if worker_rows.is_meant(one, self._wanted)]
        self.query_one(f"#{JOBS}", Listing).show_rows(
            (job.id, job_rows.make_row(job, sight.speeds)) for job in jobs
        )
        self.query_one(f"#{WORKERS}", Listing).show_rows(
            (one.id, worker_rows.make_row(one, sight.speeds)) for one in workers
        )
        self.query_one("#count", PlainText).show_text(self._describe_list(len(jobs), len(workers)))

    def _describe_list(self, jobs: int, workers: int) -> str:
        assert self._sight
        is_jobs = self._listing.id == JOBS
        shown = jobs if is_jobs else workers
        there = self._sight.info.jobs if is_jobs else len(self._sight.workers)
        what = "job" if is_jobs else "worker"
        if self._wanted:
            wanted = clean_line(self._wanted)
            return f"{count(shown, what)} with {wanted!r}; escape shows all"
        if not there:
            return f"there is no {what}"
        return f"{shown:,} of {count(there, what)}" if shown < there else ""

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open what the cursor is on."""
        event.stop()
        if self._sight is None:
            return
        chosen = self._listing.chosen
        if self._listing.id == JOBS:
            if self.find_job():
                self.app.push_screen(JobScreen(self.view, self._interval, chosen))
            return
        for worker in self._sight.workers:
            if worker.id == chosen:
                known = worker_rows.describe_worker(worker)
                text = "\n".join(clean_line(f"{word:<11}{value}") for word, value in known)
                self.app.push_screen(Reading(f"worker {worker.name}", text))

    def action_switch(self) -> None:
        switcher = self.query_one(ContentSwitcher)
        switcher.current = WORKERS if switcher.current == JOBS else JOBS
        self._listing.focus()
        self._show()

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

    def on_input_submitted(self) -> None:
        self.query_one("#filter", Input).display = False
        self._listing.focus()
