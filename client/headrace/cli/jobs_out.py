"""Commands about one existing job: inspect, fetch, stop, retry."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click
from msgspec.structs import asdict

from headrace.cli.alike import MOST_READ, describe_failure, describe_failures, describe_group
from headrace.cli.connecting import connect
from headrace.cli.finding import JOB, find_job
from headrace.cli.kinds import ANY_FORMAT, DURATION, PathKind
from headrace.cli.logs import PROGRESS_SHOWN, describe_running, show_progress
from headrace.cli.numbers import CountKind
from headrace.cli.options import (
    ConnectionOptions,
    connection_options,
    json_option,
    option,
    overwrite_option,
)
from headrace.cli.outputs import explain_unwritable_file, explain_unwritable_folder
from headrace.cli.printing import refuse_format, say, say_json
from headrace.cli.progress import Progress
from headrace.cli.session import deliver
from headrace.cli.show import (
    describe_status,
    describe_time,
    show_change,
    show_failure,
    show_status,
    show_time,
)
from headrace.cli.stopping import stop_by_signals
from headrace.cli.times import describe_times
from headrace.cli.worker_view import MAX_RUNNING, RUNNING_SHOWN, pick_long, show_running
from headrace.cli.worker_view import describe_running as describe_task
from headrace.job import Job
from headrace.own_jobs import recall
from headrace_services.service import Target
from headrace_wire.api import TIMES_KEPT
from headrace_wire.bounds import quote
from headrace_wire.errors import UsageError
from headrace_wire.messages.job_views import FailureGroups, TaskTimes
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.words import count

#: The services for which it is known what they write.
BUILT_IN = frozenset({"primes", "images", "calls"})

#: The maximum number of running tasks whose progress is shown as JSON.
MAX_PROGRESS = 10_000


@click.command()
@click.argument("job_id", metavar="ID", type=JOB)
@option(
    "--slowest",
    type=CountKind(1, TIMES_KEPT),
    metavar="N",
    help="Also show the N tasks that took longest, and which workers ran them.",
)
@connection_options
@json_option
def job(job_id: str, slowest: int | None, connection: ConnectionOptions, as_json: bool) -> None:
    """Show one job: its counts, its running tasks and their progress, and what failed."""
    cluster = connect(connection)
    found = find_job(cluster, job_id, past=True)
    queue = cluster.engine.jobs
    task_times = queue.task_times(found.id)
    if found.status.expired:
        groups = cluster.engine.results.failure_groups(found.id)
        _show_past(found.status, task_times, groups, as_json=as_json)
        return
    progress = queue.progress(found.id, MAX_PROGRESS if as_json else PROGRESS_SHOWN)
    times = queue.slowest(found.id, slowest) if slowest else ()
    if as_json:
        shown = {
            **show_status(found.status),
            "task_times": asdict(task_times),
            "progress": [show_progress(one) for one in progress],
            "running": [show_running(one) for one in queue.running(found.id, MAX_RUNNING)],
            "failures": [show_failure(failure) for failure in found.failures()],
        }
        if slowest:
            shown["slowest"] = [show_time(time) for time in times]
        say_json(shown)
        return
    _say_status(found.status, task_times)
    for word, value in describe_running(found.status.counters, progress):
        say(f"{word:<12}{value}")
    for task in pick_long(queue.running(found.id, RUNNING_SHOWN)):
        say(f"running     {describe_task(task)}")
    for time in times:
        say(f"slow        {describe_time(time)}")
    for line in describe_failures(
        islice(found.failures(), MOST_READ),
        found.status.failed,
        f"headrace dead list {found.id}",
        describe=lambda failure: f"task {failure.index}: {describe_failure(failure)}",
    ):
        say(f"failure     {line}")


@click.command()
@click.argument("job_id", metavar="ID", type=JOB)
@option(
    "-o",
    "--output",
    type=PathKind(path_type=Path, readable=False),
    help="Write to this file or folder. [default: as the job was submitted, if it was from here]",
)
@option(
    "--format",
    "file_format",
    type=ANY_FORMAT,
    help="Format of the output; it depends on the job's service, such as text or npy.",
)
@option("--wait", type=DURATION, help="Wait at most this long (exit code 124).")
@overwrite_option
@option("--drop", is_flag=True, help="Let the coordinator drop the results afterwards.")
@connection_options
@json_option
def results(
    job_id: str,
    output: Path | None,
    file_format: str | None,
    wait: float | None,
    overwrite: bool,
    drop: bool,
    connection: ConnectionOptions,
    as_json: bool,
) -> None:
    """Wait for the end of a job and fetch its results.

    This works from any machine, any number of times.
    """
    refuse_format(file_format, output, as_json=as_json)
    found = find_job(connect(connection, wait), job_id)
    found.outputs = recall(found.id)
    if output is not None:
        _refuse_unwritable(found, output)
    else:
        _refuse_strange_place(found)
    with Progress() as progress, stop_by_signals():
        code = deliver(
            found,
            Target(progress.open_output(), output, file_format, overwrite=overwrite),
            progress,
            as_json=as_json,
            wait_seconds=wait,
            started=None,
            embedded=False,
            drop=drop,
        )
    click.get_current_context().exit(code)


@click.command()
@click.argument("job_id", metavar="ID", type=JOB)
@connection_options
@json_option
def cancel(job_id: str, connection: ConnectionOptions, as_json: bool) -> None:
    """Stop a job and its running tasks. Results that are complete are kept."""
    show_change(find_job(connect(connection), job_id).cancel(), as_json=as_json)


@click.command()
@click.argument("job_id", metavar="ID", type=JOB)
@connection_options
@json_option
def retry(job_id: str, connection: ConnectionOptions, as_json: bool) -> None:
    """Run the failed and cancelled tasks of a job again after it has ended.

    `headrace dead replay` runs only failed tasks, all or some of them, also while the job is
    running.
    """
    show_change(find_job(connect(connection), job_id).retry(), as_json=as_json)


def _say_status(status: JobStatus, times: TaskTimes) -> None:
    for word, value in describe_status(status):
        say(f"{word:<12}{value}")
    if took := describe_times(times):
        say(f"task times  {took}")


def _show_past(
    status: JobStatus, times: TaskTimes, failures: FailureGroups, *, as_json: bool
) -> None:
    """Show what is left of a job that has expired."""
    if as_json:
        groups = [asdict(group) for group in failures.groups]
        say_json(
            {
                **show_status(status),
                "task_times": asdict(times),
                "failure_groups": groups,
                "failures_looked_at": failures.looked_at,
                "failure_kinds": failures.kinds,
            }
        )
        return
    _say_status(status, times)
    for word, value in describe_running(status.counters, ()):
        say(f"{word:<12}{value}")
    first = failures.looked_at if failures.looked_at < status.failed else None
    for group in failures.groups:
        say(f"failure     {describe_group(group, first)}")
    if more := failures.kinds_left_out:
        say(f"failure     {count(more, 'more kind')} of failures, of which no more is kept")


def _refuse_strange_place(found: Job) -> None:
    """Raise UsageError if the folder would come from what somebody else submitted."""
    if found.status.service == "images" and not (
        found.outputs or found.parameters.get("shared") is True
    ):
        raise UsageError(
            f"job {found.id} was not submitted from here: name the folder that its pictures go to "
            "with -o"
        )


def _refuse_unwritable(found: Job, output: Path) -> None:
    """Raise UsageError if the results could not be written, before waiting for them."""
    into_folder = False
    if found.status.service == "images":
        from headrace_services.images.place import names_file  # noqa: PLC0415 - only for pictures

        outputs = found.outputs
        single = found.parameters.get("single") is True if outputs is None else outputs.single
        into_folder = not (single and names_file(output))
    if found.status.service not in BUILT_IN and output.is_dir():
        into_folder = True  # only another package's service knows whether it writes files there
    explain = explain_unwritable_folder if into_folder else explain_unwritable_file
    if why := explain(output):
        raise UsageError(f"{quote(str(output))} cannot be written: {why}")
