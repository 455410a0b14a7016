"""Commands about dead tasks, which failed for good and are kept with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from headrace.cli.alike import describe_failure, group_failures
from headrace.cli.connecting import connect
from headrace.cli.finding import JOB, find_job
from headrace.cli.groups import Group
from headrace.cli.numbers import CountKind, NumbersCommand
from headrace.cli.options import ConnectionOptions, connection_options, json_option, option
from headrace.cli.printing import say_json, say_text, tell
from headrace.cli.show import show_change, show_failure
from headrace_wire.bounds import MAX_TASKS
from headrace_wire.failures import describe_error
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.printing import clean_line, clean_text


@click.group(cls=Group)
def dead() -> None:
    """Show tasks that failed for good, and run them again."""


@dead.command("list", short_help="List the dead tasks of a job.")
@click.argument("job_id", metavar="ID", type=JOB)
@option(
    "--traceback", is_flag=True, help="Show everything about each task: input, reason, traceback."
)
@connection_options
@json_option
def list_dead(job_id: str, traceback: bool, connection: ConnectionOptions, as_json: bool) -> None:
    """List the dead tasks of a job: where each one ran, how long, what failed, and why."""
    found = find_job(connect(connection), job_id)
    failures = found.failures()
    if as_json:
        say_json([show_failure(failure) for failure in failures])
        return
    groups = group_failures(_say_each(failures, traceback=traceback))
    if not groups:
        tell(f"headrace: job {found.id} has no dead tasks")
    for group in groups:
        if not group.are_few:
            tell(f"headrace: {group.describe('')}")


@dead.command(cls=NumbersCommand, short_help="Run dead tasks of a job again.")
@click.argument("job_id", metavar="ID", type=JOB)
@click.argument("indices", metavar="[INDEX]...", nargs=-1, type=CountKind(0, MAX_TASKS))
@connection_options
@json_option
def replay(
    job_id: str, indices: tuple[int, ...], connection: ConnectionOptions, as_json: bool
) -> None:
    """Run dead tasks of a job again, with new attempts: these, or all of them.

    Use this while the job is running, or for some tasks only. `headrace retry` also runs tasks that
    were cancelled or out of time, but only after the job has ended. `headrace results ID` waits for
    the tasks and fetches all results of the job.
    """
    found = find_job(connect(connection), job_id)
    show_change(found.replay(indices or None), as_json=as_json)


def _say_each(failures: Iterable[TaskFailure], *, traceback: bool) -> Iterator[TaskFailure]:
    for failure in failures:
        lines = describe_dead(failure) if traceback else [_describe_shortly(failure)]
        say_text("".join(f"{line}\n" for line in lines))  # cleaned there
        yield failure


def _describe_shortly(failure: TaskFailure) -> str:
    where = f"{failure.worker or '-'}, {failure.busy_seconds:.2f} s"
    return clean_line(f"task {failure.index} ({where}): {describe_failure(failure)}")


def describe_dead(failure: TaskFailure) -> list[str]:
    """Return everything about a failed task: input, reason, attempts, traceback."""
    cause = f"{failure.reason} ({failure.signal})" if failure.signal else failure.reason
    lines = [
        f"task {failure.index}",
        f"  input     {failure.summary}",
        f"  reason    {cause}" + (f": {said}" if (said := describe_error(failure)) else ""),
        f"  attempts  {failure.attempt}",
        f"  worker    {failure.worker}",
        f"  took      {failure.busy_seconds:.2f} s",
    ]
    trace = clean_text(failure.traceback).rstrip("\n").split("\n")
    return [*map(clean_line, lines), *(f"  {line}".rstrip() for line in trace if trace != [""])]
