"""One worker: what its slots run, its last hour, and everything else about it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from headrace.cli.top import worker_rows
from headrace.cli.top.actions import drain
from headrace.cli.top.footer import make_footer
from headrace.cli.top.plain_text import PlainText
from headrace.cli.top.polling import PollingScreen
from headrace.cli.top.running_rows import describe_tasks
from headrace.cli.top.words import draw_bar, draw_curve
from headrace_wire.api import JobQueueApi
from headrace_wire.printing import clean_line
from headrace_wire.words import count

if TYPE_CHECKING:
    from headrace.cli.top.view import View
    from headrace_wire.messages.views import WorkerView

BAR_WIDTH = 32
CURVE_WIDTH = 60


class WorkerScreen(PollingScreen):
    """A live view of a worker, until escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "drain", "Drain"),
        Binding("escape,q,backspace", "back", "Back", key_display="esc"),
    ]

    def __init__(self, view: View, interval: float, worker: str, name: str) -> None:
        super().__init__(view, interval)
        self._worker = worker
        self._worker_name = name

    def compose(self) -> ComposeResult:
        yield PlainText(id="head")
        yield PlainText(id="trouble")
        with VerticalScroll(id="scroll"):
            yield PlainText(id="text")
        yield PlainText(id="said")
        yield make_footer()

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    async def look(self) -> None:
        seen = await self.view.jobs.call(JobQueueApi.worker, self._worker)
        status = seen.status
        bar = draw_bar(status.busy, status.slots, BAR_WIDTH)
        head = (
            f"worker {status.name}  {worker_rows.describe_state(status)}",
            f"{bar} {status.busy} of {count(status.slots, 'slot')} busy",
        )
        self.query_one("#head", PlainText).show_text("\n".join(map(clean_line, head)))
        lines = "\n".join(map(clean_line, _describe(seen)))
        self.query_one("#text", PlainText).show_text(lines)

    def action_drain(self) -> None:
        self.ask(worker_rows.ask_to_drain(self._worker_name), drain(self.view.jobs, self._worker))

    def action_back(self) -> None:
        self.dismiss()


def _describe(seen: WorkerView) -> Iterator[str]:
    yield from describe_tasks(seen.running, of_worker=True)
    if not seen.running:
        yield "no slot runs anything"
    yield ""
    if len(seen.points) > 1:
        first, last = seen.points[0].at, seen.points[-1].at
        minutes = math.ceil((last - first) / 60)
        yield "the last minute" if minutes == 1 else f"the last {minutes} minutes"
        most = max(1.0, *(point.cpu_percent for point in seen.points))
        slots = max(1, seen.status.slots)
        busy = [point.busy / slots for point in seen.points]
        cpu = [point.cpu_percent / most for point in seen.points]
        yield f"busy {draw_curve(busy, CURVE_WIDTH)} up to {count(slots, 'slot')}"
        yield f"cpu  {draw_curve(cpu, CURVE_WIDTH)} up to {most:.0f} %"
        yield ""
    for word, value in worker_rows.describe_worker(seen.status):
        yield f"{word:<11}{value}"
