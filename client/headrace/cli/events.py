"""What happens to jobs and workers, as lines or as JSON."""

from __future__ import annotations

import click

from headrace.blocking import BlockingCaller, finish_each
from headrace.cli.connecting import connect
from headrace.cli.finding import JOB, find_job
from headrace.cli.numbers import CountKind
from headrace.cli.options import (
    ConnectionOptions,
    connection_options,
    json_option,
    option,
    refuse_both,
)
from headrace.cli.printing import say, say_json, tell
from headrace.cluster import Cluster
from headrace.cluster_views import read_pages
from headrace_wire.errors import UnknownJobError
from headrace_wire.log_format import write_moment
from headrace_wire.messages.views import ClusterEvent, EventRequest
from headrace_wire.words import count

#: How many events are shown by default.
EVENTS_SHOWN = 20


@click.command()
@option(
    "-f", "--follow", is_flag=True, help="Also show new events as they come, until interrupted."
)
@option("--job", "job_id", metavar="ID", type=JOB, help="Show only events of this job.")
@option(
    "--last",
    type=CountKind(0),
    default=EVENTS_SHOWN,
    show_default=True,
    help="Begin with this many of the newest events.",
)
@option(
    "--since-start",
    is_flag=True,
    help="Begin with the oldest event that the coordinator remembers.",
)
@connection_options
@json_option
def events(
    follow: bool,
    job_id: str | None,
    last: int,
    since_start: bool,
    connection: ConnectionOptions,
    as_json: bool,
) -> None:
    """Show what happened to jobs and workers."""
    refuse_both("since_start", "last")
    cluster = connect(connection)
    job = _find(cluster, job_id) if job_id else ""
    first = EventRequest(job=job, last=0 if since_start else max(1, last))
    jobs = BlockingCaller(cluster.engine.jobs)
    for page in finish_each(read_pages(jobs, first, follow=follow)):
        if page.missed:
            missed = count(page.missed, "event is", "events are")
            tell(f"headrace: {missed} not remembered: there were too many")
        if page.cursor and not (last or since_start):
            last = EVENTS_SHOWN  # from now on everything is shown
            continue
        for event in page.events:
            say_json(show_event(event)) if as_json else say(format_event(event))


def show_event(event: ClusterEvent) -> dict[str, object]:
    """Return an event as a JSON object."""
    return {
        "number": event.number,
        "at": write_moment(event.at),
        "kind": event.kind,
        "job": event.job,
        "worker": event.worker,
        "text": event.text,
    }


def format_event(event: ClusterEvent) -> str:
    """Return an event as one line for people."""
    whose = " on ".join(filter(None, (event.job, event.worker)))
    return f"{write_moment(event.at)} {event.kind:<15} {whose}: {event.text}"


def _find(cluster: Cluster, text: str) -> str:
    """Return the id of a job, which may have been deleted by now."""
    try:
        return find_job(cluster, text).id
    except UnknownJobError:
        request = EventRequest(job=text, limit=1)
        if not cluster.engine.jobs.events(request).events:
            raise
        return text
