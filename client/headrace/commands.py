"""What a package needs for its own commands under ``headrace run`` and ``headrace submit``.

A command plans a job and has it carried out. It does not decide where and how::

    @click.command(cls=JobCommand)
    @click.argument("files", nargs=-1, type=click.File(encoding="utf-8"))
    @output_option
    def words(files, output):
        carry_out("wordcount", plan_count([file.read() for file in files]), output)

An entry point in the group ``headrace.commands`` names the command, or a click group of several.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.groups import Group as CommandGroup
from headrace.cli.options import (
    ConnectionOptions,
    JobOptions,
    job_options,
    make_output_option,
)
from headrace.cli.plugins import BrokenCommandError, ServicesGroup
from headrace_wire.errors import UsageError

if TYPE_CHECKING:
    from headrace_services.service import Plan

__all__ = ["CommandGroup", "JobCommand", "carry_out", "output_option"]

#: The key under which a command's job options are kept in click's context until its job runs.
_OPTIONS = "headrace.commands.options"

#: ``-o`` for the file that a result is written to, which is checked before there is work for it.
#: The parameter ``output`` is a path or None.
output_option = make_output_option("Write to this file.")


class JobCommand(click.Command):
    """A command that makes a job: it has all options that a built-in service's commands have.

    Its own options must have other names. A ValueError that it raises before its job is carried out
    is reported as a usage error.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its own parameters and its job's; under ``submit``, also the coordinator's."""
        given = super().get_params(ctx)
        made = _make_parameters(embedded=_is_embedded(ctx))
        _refuse_doubles(self.params, made, ctx)
        return [*self.params, *made, *given[len(self.params) :]]

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command's function, without its job's options."""
        if not _is_embedded(ctx):
            ctx.params["connection"] = ConnectionOptions.take(ctx.params)
        ctx.meta[_OPTIONS] = JobOptions.take(ctx.params)
        try:
            return super().invoke(ctx)
        except ValueError as error:
            if _OPTIONS not in ctx.meta:
                raise
            raise UsageError(str(error)) from error


def carry_out(
    service: str, plan: Plan, output: Path | None = None, file_format: str | None = None
) -> None:
    """Submit a planned job, wait, and deliver its results according to the command's options.

    This must be the last action of a JobCommand, because it ends with the job's exit code.
    ``output`` and ``file_format`` are passed to the service's ``gather`` as its target.
    """
    from headrace.cli import session  # noqa: PLC0415 - quick start

    options = click.get_current_context().meta.pop(_OPTIONS, None)
    if not isinstance(options, JobOptions):
        raise TypeError("carry_out is called once, by a command of the class JobCommand")
    session.carry_out(service, plan, options, output, file_format)


@cache
def _make_parameters(*, embedded: bool) -> tuple[click.Parameter, ...]:
    @click.command()
    @job_options(embedded=embedded)
    def job() -> None:
        pass

    return tuple(job.params)


def _is_embedded(context: click.Context | None) -> bool:
    """Return whether a command is under ``run``, or alone, as in a package's own tests."""
    while context is not None:
        if isinstance(context.command, ServicesGroup):
            return context.command.embedded
        context = context.parent
    return True


def _refuse_doubles(
    own: list[click.Parameter], made: tuple[click.Parameter, ...], context: click.Context
) -> None:
    taken = {word for one in made for word in (one.name, *one.opts)}
    for parameter in own:
        for word in (parameter.name, *parameter.opts):
            if word in taken:
                raise BrokenCommandError(
                    f"the command has a parameter {word}, and so have all that make a job: "
                    "its own needs another name",
                    context,
                )
