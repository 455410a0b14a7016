"""What a job's tasks have logged, and their progress while they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import click

from headrace.cli.connecting import connect
from headrace.cli.figures import format_part
from headrace.cli.finding import JOB, find_job
from headrace.cli.log_lines import format_line, read_log, show_line, tell_missed
from headrace.cli.numbers import CountKind
from headrace.cli.options import ConnectionOptions, connection_options, json_option, option
from headrace.cli.printing import say_json, say_text, tell
from headrace.job_log import Gaps
from headrace_wire.errors import UsageError
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.workers import TaskProgress
from headrace_wire.words import count

#: The maximum number of running tasks whose progress is shown for people.
PROGRESS_SHOWN = 20


@click.command()
@click.argument("job_id", metavar="ID", type=JOB)
@option("-f", "--follow", is_flag=True, help="Show new lines as they come, until the job ends.")
@option(
    "--task",
    "tasks",
    type=CountKind(0),
    multiple=True,
    metavar="INDEX",
    help="Show only the lines of this task. Repeatable.",
)
@connection_options
@json_option
def logs(
    job_id: str,
    follow: bool,
    tasks: tuple[int, ...],
    connection: ConnectionOptions,
    as_json: bool,
) -> None:
    """Show what a job's tasks have printed and logged, each line with its task and worker."""
    gaps, is_whole = Gaps(), True
    cluster = connect(connection)
    found = find_job(cluster, job_id)
    _refuse_unknown(found.status, tasks, follow=follow)
    for page in read_log(cluster.engine, found.id, follow=follow):
        tell_missed(gaps.find_missed(page))
        for line in page.lines:
            if tasks and line.index not in tasks:
                continue
            say_json(show_line(line)) if as_json else say_text(f"{format_line(line)}\n")
        is_whole = page.complete
    if follow and not is_whole:
        tell(f"headrace: job {found.id} is there no more: it was deleted, or has expired")


def _refuse_unknown(status: JobStatus, tasks: tuple[int, ...], *, follow: bool) -> None:
    """Raise UsageError for a task that the job does not have, and will not get while it is
    followed.
    """
    unknown = [task for task in tasks if task >= status.tasks]
    if unknown and (status.sealed or not follow):
        has = (
            f"it has {count(status.tasks, 'task')}, numbered from 0"
            if status.tasks
            else "it has none"
        )
        raise UsageError(f"job {status.id} has no task {unknown[0]}: {has}")


def show_progress(progress: TaskProgress) -> dict[str, object]:
    """Return a task's progress as a JSON object."""
    return {
        "task": progress.index,
        "worker": progress.worker,
        "done": progress.done,
        "of": progress.of,
    }


def format_progress(progress: TaskProgress) -> str:
    """Return a task's progress, such as ``task 17: 40 % (4,000 of 10,000)``."""
    done = format_number(progress.done)
    if progress.of is None:
        return f"task {progress.index}: {done}"
    of = format_number(progress.of)
    if not progress.of:
        return f"task {progress.index}: {done} of {of}"
    return f"task {progress.index}: {format_part(progress.done, progress.of)} ({done} of {of})"


def describe_running(
    counters: Mapping[str, float], progress: Iterable[TaskProgress]
) -> Iterator[tuple[str, str]]:
    """Yield a job's counters and the progress of some of its tasks, as names and values."""
    for name, value in counters.items():
        yield "counter", f"{name}: {format_number(value)}"
    for one in progress:
        yield "progress", format_progress(one)


def format_number(value: float) -> str:
    """Return a number without needless digits, such as ``4,000`` or ``0.25``."""
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.6g}"
