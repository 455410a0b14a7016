"""Commands about jobs that are there: list, inspect, fetch, stop, try again, forget."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from headrace.cli.kinds import DURATION, PathKind
from headrace.cli.logs import PROGRESS_SHOWN, describe_running, show_progress
from headrace.cli.options import connection_options, json_option, option
from headrace.cli.outputs import explain_unwritable_file, explain_unwritable_folder
from headrace.cli.printing import refuse_on_terminal, say, say_json, tell
from headrace.cli.progress import Progress
from headrace.cli.session import connect, deliver
from headrace.cli.show import (
    format_bytes,
    format_time,
    say_table,
    show_change,
    show_failure,
    show_status,
)
from headrace.cli.stopping import stop_by_signals
from headrace.cli.summary import FAILURES_SHOWN, describe_failure
from headrace.job import Job
from headrace_services.service import Target
from headrace_wire.address import Address
from headrace_wire.bounds import quote
from headrace_wire.errors import UsageError
from headrace_wire.messages import CANCELLED, JobStatus

#: Running tasks whose progress is shown as JSON.
MAX_PROGRESS = 10_000


@click.command()
@option("--data-jobs", is_flag=True, help="Those, too, that only keep data for other jobs.")
@connection_options
@json_option
def jobs(data_jobs: bool, coordinator: Address, key_file: Path, as_json: bool) -> None:
    """List jobs, the newest first."""
    statuses = connect(coordinator, key_file).jobs(data=data_jobs)
    if as_json:
        say_json([show_status(status) for status in statuses])
        return
    if not statuses:
        tell("headrace: there are no jobs")
        return
    rows = [
        [
            status.id,
            status.state,
            f"{status.service} {status.operation}",
            f"{status.done:,}/{status.tasks:,}",
            f"{status.failed:,}",
            format_time(status.submitted_at) or "",
            status.name,
        ]
        for status in statuses
    ]
    headings = ["ID", "STATE", "WORK", "DONE", "FAILED", "SUBMITTED", "NAME"]
    say_table(headings, rows, {"DONE", "FAILED"})


@click.command()
@click.argument("job_id", metavar="ID")
@connection_options
@json_option
def job(job_id: str, coordinator: Address, key_file: Path, as_json: bool) -> None:
    """Show one job: its counts, how far its running tasks are, and what failed in it."""
    cluster = connect(coordinator, key_file)
    found = cluster.job(job_id)
    progress = cluster.engine.jobs.progress(job_id, MAX_PROGRESS if as_json else PROGRESS_SHOWN)
    if as_json:
        failures = [show_failure(failure) for failure in found.failures()]
        told = [show_progress(one) for one in progress]
        say_json({**show_status(found.status), "progress": told, "failures": failures})
        return
    for word, value in _describe(found.status):
        say(f"{word:<12}{value}")
    for word, value in describe_running(found.status.counters, progress):
        say(f"{word:<12}{value}")
    for failure in islice(found.failures(), FAILURES_SHOWN):
        say(f"failure     task {failure.index}: {describe_failure(failure)}")
    if found.status.failed > FAILURES_SHOWN:
        say(f"failure     {found.status.failed - FAILURES_SHOWN:,} more: --json has them all")


@click.command()
@click.argument("job_id", metavar="ID")
@option(
    "-o",
    "--output",
    type=PathKind(path_type=Path),
    help="Write to this file or folder. [default: as the job was submitted]",
)
@option("--format", "file_format", help="As the job's service knows it, such as text or npy.")
@option("--wait", type=DURATION, help="Wait this long at most (exit code 124).")
@option("--drop", is_flag=True, help="Let the coordinator drop the results afterwards.")
@connection_options
@json_option
def results(
    job_id: str,
    output: Path | None,
    file_format: str | None,
    wait: float | None,
    drop: bool,
    coordinator: Address,
    key_file: Path,
    as_json: bool,
) -> None:
    """Fetch a job's results, waiting for its end; from any machine, as often as you like."""
    refuse_on_terminal(file_format, output)
    found = connect(coordinator, key_file, wait).job(job_id)
    if output is not None:
        _refuse_unwritable(found, output)
    with Progress() as progress, stop_by_signals():
        code = deliver(
            found,
            Target(progress.open_output(), output, file_format),
            progress,
            as_json=as_json,
            wait_seconds=wait,
            started=None,
            embedded=False,
            drop=drop,
        )
    click.get_current_context().exit(code)


@click.command()
@click.argument("job_id", metavar="ID")
@connection_options
@json_option
def cancel(job_id: str, coordinator: Address, key_file: Path, as_json: bool) -> None:
    """Stop a job, running tasks too; what is done stays done."""
    show_change(connect(coordinator, key_file).job(job_id).cancel(), as_json=as_json)


@click.command()
@click.argument("job_id", metavar="ID")
@connection_options
@json_option
def retry(job_id: str, coordinator: Address, key_file: Path, as_json: bool) -> None:
    """Run the failed and cancelled tasks of a job again."""
    show_change(connect(coordinator, key_file).job(job_id).retry(), as_json=as_json)


@click.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@connection_options
def delete(job_ids: tuple[str, ...], coordinator: Address, key_file: Path) -> None:
    """Forget jobs and their results, stopping them first."""
    cluster = connect(coordinator, key_file)
    for job_id in job_ids:
        cluster.job(job_id).delete()
        tell(f"headrace: job {job_id} is deleted")


def _refuse_unwritable(found: Job, output: Path) -> None:
    """Raise UsageError where the results could not be written, before they are waited for."""
    into_folder = found.status.service == "images" and not (
        found.parameters.get("single") and not output.is_dir()
    )
    explain = explain_unwritable_folder if into_folder else explain_unwritable_file
    if why := explain(output):
        raise UsageError(f"{quote(str(output))} cannot be written: {why}")


def _describe(status: JobStatus) -> list[tuple[str, str]]:
    counts = [
        (status.done, "done"),
        (status.failed, "failed"),
        (status.leased, "leased"),
        (status.waiting, "waiting"),
        (status.retrying, "retrying"),
        (status.cancelled, "cancelled" if status.state == CANCELLED else "undone"),
    ]
    why = status.waiting_for or status.ended_because
    lines = [
        ("id", status.id),
        ("name", status.name),
        ("state", status.state + (f": {why}" if why else "")),
        ("work", f"{status.service} {status.operation}"),
        ("tasks", f"{status.tasks:,}: " + ", ".join(f"{n:,} {word}" for n, word in counts if n)),
        ("submitted", format_time(status.submitted_at) or ""),
        ("finished", format_time(status.finished_at) or ""),
        ("wall", f"{status.wall_seconds:.2f} s" if status.wall_seconds is not None else ""),
        ("cpu", f"{status.cpu_seconds:.2f} s in slots"),
        ("carried", f"{format_bytes(status.bytes_in)} in, {format_bytes(status.bytes_out)} out"),
        ("results", "kept" if status.results_kept else "delivered and dropped"),
    ]
    return [(word, value) for word, value in lines if value]
