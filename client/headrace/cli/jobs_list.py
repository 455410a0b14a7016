"""Commands about many jobs: list them, and delete them."""

from __future__ import annotations

import sys
import time
from typing import get_args

import click

from headrace.cli.connecting import connect
from headrace.cli.finding import JOB, find_job
from headrace.cli.kinds import LABEL, NAME, SERVICE, SINCE, WordKind
from headrace.cli.numbers import CountKind
from headrace.cli.options import (
    ConnectionOptions,
    connection_options,
    json_option,
    option,
    refuse_both,
)
from headrace.cli.printing import say_json, tell
from headrace.cli.show import describe_work, format_age, format_time, say_table, show_status
from headrace_wire.bounds import MAX_INTEGER
from headrace_wire.errors import UsageError
from headrace_wire.messages.jobs import JobFilter, JobStatus, State
from headrace_wire.words import count

STATES: tuple[State, ...] = get_args(State)

#: How many jobs are listed by default.
JOBS_SHOWN = 20


@click.command()
@option("--all", "all_jobs", is_flag=True, help="List all jobs.")
@option(
    "--limit",
    type=CountKind(1, MAX_INTEGER - 1),
    default=JOBS_SHOWN,
    show_default=True,
    help="List at most this many jobs.",
)
@option(
    "--state",
    "states",
    multiple=True,
    type=WordKind(STATES),
    help="List only jobs in this state. Repeatable.",
)
@option(
    "--service", type=SERVICE, default="", help="List only jobs of this service, such as primes."
)
@option(
    "--since",
    type=SINCE,
    help="List only jobs submitted after this time: 2h (two hours ago), or 2026-11-20T08:00.",
)
@option(
    "--text",
    type=NAME,
    default="",
    help="List only jobs whose id, name, function, service or operation contains this.",
)
@option(
    "--by",
    type=LABEL,
    default="",
    metavar="KEY",
    help="List only jobs submitted with the key of this name.",
)
@option("--past", is_flag=True, help="List only jobs that have expired.")
@option("--data-jobs", is_flag=True, help="Also list jobs that only keep data for other jobs.")
@connection_options
@json_option
def jobs(
    all_jobs: bool,
    limit: int,
    states: tuple[State, ...],
    service: str,
    since: float | None,
    text: str,
    by: str,
    past: bool,
    data_jobs: bool,
    connection: ConnectionOptions,
    as_json: bool,
) -> None:
    """List jobs, the newest first."""
    refuse_both("all_jobs", "limit")
    cluster = connect(connection)
    statuses = cluster.jobs(
        data=data_jobs,
        limit=None if all_jobs else limit + 1,  # one more shows that there are more
        states=states or None,
        service=service,
        since=since or 0.0,
        text=text,
        submitted_by=by,
        past=past,
    )
    shown = statuses if all_jobs else statuses[:limit]
    if as_json:
        say_json([show_status(status) for status in shown])
    elif shown:
        _say_jobs(shown)
    else:
        narrowed = states or service or since or text or by or past
        tell(f"headrace: there are no {'such ' if narrowed else ''}jobs")
    if len(statuses) > len(shown):
        known = 0
        if not data_jobs:
            chosen = JobFilter(states, service, since or 0.0, 0, text, by, past)
            known = cluster.engine.jobs.count_jobs(chosen)
        most = f"{len(shown):,} of {known:,} jobs" if known else count(len(shown), "job")
        tell(f"headrace: the newest {most}; --all or --limit N shows more")


@click.command()
@click.argument("job_ids", metavar="[ID]...", nargs=-1, type=JOB)
@option(
    "--state",
    "states",
    multiple=True,
    type=WordKind(STATES),
    envvar="HEADRACE_DELETE_STATE",
    help="Delete all jobs in this state, after asking for confirmation. Repeatable.",
)
@option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@connection_options
def delete(
    job_ids: tuple[str, ...],
    states: tuple[State, ...],
    yes: bool,
    connection: ConnectionOptions,
) -> None:
    """Stop and delete jobs, and delete their results: these jobs, or all in a state."""
    if bool(job_ids) == bool(states):
        raise UsageError("name the jobs to delete, or give --state and no job")
    cluster = connect(connection)
    if states:
        job_ids = tuple(status.id for status in cluster.jobs(states=states))
        kind = f"{' or '.join(states)} job"
        if not job_ids:
            tell(f"headrace: there is no {kind}")
            return
        if not yes:
            _ask(f"{count(len(job_ids), kind)} and the results")
    for job_id in job_ids:
        found = find_job(cluster, job_id, past=True)
        found.delete()
        tell(f"headrace: job {found.id} is deleted")


def _ask(what: str) -> None:
    """Return if the answer is yes, else end the command. Raises UsageError without a terminal."""
    if not sys.stdin.isatty():
        raise UsageError(f"this would delete {what}, and nobody can be asked: --yes says so")
    if not _confirm(f"Delete {what}?"):
        tell("headrace: nothing is deleted")
        click.get_current_context().exit(1)


def _confirm(question: str) -> bool:
    """Ask on the terminal, and return whether the answer is yes. The end of input means no."""
    try:
        return click.confirm(question, err=True)
    except click.Abort as error:
        tell("")  # the terminal's cursor is behind the question
        if isinstance(error.__context__, EOFError):
            return False
        raise


def _say_jobs(statuses: tuple[JobStatus, ...]) -> None:
    now = time.time()
    on_terminal = sys.stdout.isatty()
    rows = [
        [
            status.id,
            status.state,
            describe_work(status),
            f"{status.done:,}/{status.tasks:,}",
            f"{status.failed:,}",
            format_age(status.submitted_at, now)
            if on_terminal
            else format_time(status.submitted_at) or "",
            status.name,
        ]
        for status in statuses
    ]
    headings = ["ID", "STATE", "WORK", "DONE", "FAILED", "SUBMITTED", "NAME"]
    beneath = ["WORK"]
    if len({status.submitted_by for status in statuses}) > 1:
        headings.insert(-1, "BY")
        beneath.insert(0, "BY")  # what a job does is more important than a long name
        for row, status in zip(rows, statuses, strict=True):
            row.insert(-1, status.submitted_by)
    say_table(headings, rows, {"DONE", "FAILED"}, beneath)
