"""Results of jobs: a summary for the page, and a file to download.

Observers may see the summary, but none of its pictures; the results themselves are for the clients
who own the job. A summary does not count as a fetch, so results are not kept longer because of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from headrace_coordinator.web.gate import Visitor
from headrace_coordinator.web.json_api import JSON, PREFIX, read_query
from headrace_coordinator.web.presenter import OpenFile, Presenter, Summary
from headrace_wire.errors import HeadraceError, JobStateError
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.results import Fetched, FetchRequest, ResultSpan
from headrace_wire.presenting import Order
from headrace_wire.roles import ONLOOKER

log = logging.getLogger(__name__)

#: How many bytes of values are fetched at a time; a single span may be larger.
FETCH_BYTES = 4 << 20

#: The media type of a file, by the suffix of its name.
KINDS = {
    "txt": "text/plain; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "zip": "application/zip",
}
OTHER_KIND = "application/octet-stream"


#: Characters that are replaced in the name of a file: a job's id may be any text.
UNFIT = re.compile(r"[^A-Za-z0-9._-]")


class Nothing(msgspec.Struct):
    """There are no parameters."""


def list_routes(presenter: Presenter) -> list[Route]:
    """Return the routes of results."""

    async def show_summary(request: Request) -> Response:
        read_query(request, Nothing)
        visitor: Visitor = request.state.visitor
        # Everybody who may see the job may see its summary, and the parameters that are for people:
        # that is less than the results, and less than all parameters of the job.
        await visitor.call("status", request.path_params["job"])
        onlooker = Visitor(visitor.gate, ONLOOKER, visitor.peer)
        status: JobStatus = await onlooker.call("status", request.path_params["job"])
        spans = _fetch(onlooker, status)
        if request.method == "HEAD":
            return Response(media_type=JSON)
        if status.expired:  # nothing is left that could be shown
            gone = Summary(message="The results have expired.", ready=False)
            return Response(msgspec.json.encode(gone), media_type=JSON)
        order = _make_order(presenter, status, summary=True)
        stage = status.id, status.submitted_at, status.done, order.ended, order.kept
        summary = await presenter.summarize(visitor.name, stage, order, spans)
        if not visitor.has("results.fetch"):
            summary = replace(summary, pictures=())
        return Response(msgspec.json.encode(summary), media_type=JSON)

    async def send_file(request: Request) -> Response:
        read_query(request, Nothing)
        visitor: Visitor = request.state.visitor
        # Errors about the role and the job come before anything else.
        found = await _fetch_some(visitor, request.path_params["job"], 0, 1)
        status = found.status
        _require_results(status)
        if status.finished_at is None:
            raise JobStateError(f"job {status.id} has not ended yet: its results are not all there")
        if request.method == "HEAD":
            return Response(media_type=OTHER_KIND)
        order = _make_order(presenter, status, summary=False)
        file = await presenter.open_file(visitor.name, order, _fetch(visitor, status))
        return Download(status.id, file)

    return [
        Route(PREFIX + "/jobs/{job:named}/summary", show_summary, methods=["GET"]),
        Route(PREFIX + "/jobs/{job:named}/results", send_file, methods=["GET"]),
    ]


class Download(StreamingResponse):
    """A file that is written while it is sent. If it ends too soon, so does the connection."""

    def __init__(self, job: str, file: OpenFile) -> None:
        kind = KINDS.get(file.name.rpartition(".")[2], OTHER_KIND)
        name = f"{UNFIT.sub('_', job)}-{file.name}"
        named = {"Content-Disposition": f'attachment; filename="{name}"'}
        super().__init__(file.read(), headers=named, media_type=kind)
        self._job = job
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._file.close()

    async def stream_response(self, send: Send) -> None:
        """Send the file, without a proper end if it is incomplete."""
        try:
            await super().stream_response(send)
        except HeadraceError as error:
            log.warning("job %s: %s", self._job, error)


async def _fetch(visitor: Visitor, status: JobStatus) -> AsyncIterator[ResultSpan]:
    """Yield the available values, in order."""
    cursor = 0
    while status.results_kept:
        found = await _fetch_some(visitor, status.id, cursor, FETCH_BYTES)
        for span in found.runs:
            yield span
        if found.complete or not found.runs:
            return
        cursor = found.cursor


async def _fetch_some(visitor: Visitor, job: str, cursor: int, size: int) -> Fetched:
    request = FetchRequest(
        job=job, cursor=cursor, ordered=True, max_bytes=size, wait_seconds=0.0, seen=0, known=False
    )
    fetched: Fetched = await visitor.call("results.fetch", request)
    return fetched


def _require_results(status: JobStatus) -> None:
    """Raise JobStateError if results are not kept."""
    if not status.results_kept:
        raise JobStateError(
            f"the results of job {status.id} were delivered and dropped: whoever submitted it has "
            "them"
        )


def _make_order(presenter: Presenter, status: JobStatus, *, summary: bool) -> Order:
    return Order(
        service=status.service,
        operation=status.operation,
        parameters=status.parameters,
        tasks=status.tasks,
        done=status.done,
        ended=status.finished_at is not None,
        summary=summary,
        kept=status.results_kept,
        closed=presenter.closed,
    )
