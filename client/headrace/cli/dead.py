"""Commands about dead tasks: those that failed for good, kept with their reason."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.groups import Group
from headrace.cli.options import connection_options, json_option
from headrace.cli.printing import say_json, say_text, tell
from headrace.cli.session import connect
from headrace.cli.show import show_change, show_failure
from headrace_wire.address import Address
from headrace_wire.bounds import MAX_TASKS
from headrace_wire.messages import TaskFailure
from headrace_wire.printing import clean_line, clean_text


@click.group(cls=Group)
def dead() -> None:
    """Look at tasks that failed for good, and run them again."""


@dead.command("list")
@click.argument("job_id", metavar="JOB")
@connection_options
@json_option
def list_dead(job_id: str, coordinator: Address, key_file: Path, as_json: bool) -> None:
    """Show the dead tasks of a job: what failed, why, how often it was tried, and where."""
    failures = connect(coordinator, key_file).job(job_id).failures()
    if as_json:
        say_json([show_failure(failure) for failure in failures])
        return
    found = False
    for failure in failures:
        found = True
        say_text("".join(f"{line}\n" for line in _describe(failure)))  # cleaned there
    if not found:
        tell(f"headrace: job {job_id} has no dead tasks")


@dead.command()
@click.argument("job_id", metavar="JOB")
@click.argument("indices", metavar="[INDEX]...", nargs=-1, type=click.IntRange(0, MAX_TASKS))
@connection_options
@json_option
def replay(
    job_id: str, indices: tuple[int, ...], coordinator: Address, key_file: Path, as_json: bool
) -> None:
    """Run dead tasks of a job again, with fresh attempts: these, or all of them.

    `headrace results JOB` waits for them and fetches all of the job's results.
    """
    found = connect(coordinator, key_file).job(job_id)
    show_change(found.replay(indices), as_json=as_json)


def _describe(failure: TaskFailure) -> list[str]:
    cause = f"{failure.reason} ({failure.signal})" if failure.signal else failure.reason
    lines = [
        f"task {failure.index}",
        f"  input     {failure.summary}",
        f"  reason    {cause}" + (f": {failure.message}" if failure.message else ""),
        f"  attempts  {failure.attempt}",
        f"  worker    {failure.worker}",
    ]
    trace = clean_text(failure.traceback).rstrip("\n").split("\n")
    return [*map(clean_line, lines), *(f"  {line}".rstrip() for line in trace if trace != [""])]
