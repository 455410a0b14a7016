"""The tree of commands, and how errors become one line and an exit code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import click
from click.core import ParameterSource

from headrace.cli.groups import LazyGroup
from headrace.cli.jobs_in import SERVICES
from headrace.cli.plugins import list_plugins
from headrace.cli.printing import explain, explain_unwritten, say, tell
from headrace.cli.standard import drop_unwritten, fill_standard_streams
from headrace.cli.stopping import find_exit_code
from headrace_wire.errors import EXIT_TASKS_FAILED, EXIT_USAGE, HeadraceError
from headrace_wire.open_files import says_limit_reached
from headrace_wire.permissions import explain_error
from headrace_wire.printing import shorten_line

#: The exit code if the reader of standard output has gone away, as the shell shows it for SIGPIPE.
EXIT_BROKEN_PIPE = 141

#: Errors of the system which mean that another path should have been given.
WRONG_PATHS = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP),
        errno.ENAMETOOLONG,
    }
)

#: The options that show how a command is used.
HELP = {"--help", "-h"}

#: click's own groups raise this since click 8.2 if they are called alone. Its text is the help.
_HELP_IS_SHOWN: tuple[type[click.ClickException], ...] = tuple(
    filter(None, [getattr(click.exceptions, "NoArgsIsHelpError", None)])
)

COMMANDS = {
    "run": ("headrace.cli.jobs_in:run", "Run a job on this machine, with nothing to set up."),
    "submit": ("headrace.cli.jobs_in:submit", "Submit a job to a coordinator."),
    "top": ("headrace.cli.top.command:top", "Watch jobs and workers, and act on them."),
    "web": ("headrace.cli.page:web", "Open the coordinator's page."),
    "jobs": ("headrace.cli.jobs_list:jobs", "List jobs."),
    "job": ("headrace.cli.jobs_out:job", "Show one job and what failed in it."),
    "results": ("headrace.cli.jobs_out:results", "Wait for a job and fetch its results."),
    "logs": ("headrace.cli.logs:logs", "Show what a job's tasks printed and logged."),
    "cancel": ("headrace.cli.jobs_out:cancel", "Stop a job and its running tasks."),
    "retry": ("headrace.cli.jobs_out:retry", "Run a job's failed and cancelled tasks again."),
    "dead": ("headrace.cli.dead:dead", "Show tasks that failed for good, and run them again."),
    "delete": ("headrace.cli.jobs_list:delete", "Delete jobs and their results."),
    "shared": ("headrace.cli.shared:shared", "Show and delete shared state."),
    "workers": ("headrace.cli.machinery:workers", "List connected workers."),
    "drain": ("headrace.cli.machinery:drain", "Let workers finish their running tasks, and exit."),
    "autoscale": ("headrace.cli.autoscale:autoscale", "Start and stop workers to fit the work."),
    "events": ("headrace.cli.events:events", "Show what happened to jobs and workers."),
    "health": ("headrace.cli.machinery:health", "Show by exit code if a coordinator is healthy."),
    "keys": ("headrace.cli.keys:keys", "Make and revoke keys for people and machines."),
    "backup": ("headrace.cli.backing:backup", "Copy a coordinator's store while it is running."),
    "coordinator": ("headrace.cli.serving:coordinator", "Serve the job and result queues."),
    "worker": ("headrace.cli.working:worker", "Work for a coordinator with a pool of slots."),
}


def show_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Print the version and exit."""
    del parameter
    if value and not context.resilient_parsing:
        from headrace_wire.version import VERSION  # noqa: PLC0415 - quick start

        say(f"headrace {VERSION}")
        context.exit()


class _ReaderGoneError(Exception):
    """Nobody reads standard output any more. For BrokenPipeError, click has its own exit code."""


@contextmanager
def _note_gone_reader() -> Generator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderGoneError from error


class _Headrace(LazyGroup):
    def make_context(self, *arguments: Any, **extra: Any) -> click.Context:
        """Read the options, of which --help and --version print something."""
        with _note_gone_reader():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with _note_gone_reader():
            return super().invoke(ctx)

    def suggest(self, name: str, known: Iterable[str]) -> str:
        """For the name of a service, suggest the two commands that it belongs to."""
        if name in SERVICES or name in list_plugins():
            return f" Did you mean 'run {name}' or 'submit {name}'?"
        return super().suggest(name, known)


@click.group(
    cls=_Headrace,
    commands_at=COMMANDS,
    context_settings={"help_option_names": sorted(HELP), "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version and exit.",
)
def headrace() -> None:
    """multiprocessing.Pool across machines, with no broker.

    \b
    On this machine alone:
      headrace run primes count 0 1e9
      headrace run images blur photos/ blurred/

    \b
    Across machines: a coordinator on one, a worker on each, jobs from anywhere.
      headrace coordinator --bind 0.0.0.0:7333
      headrace worker --coordinator HOST:7333 --key-file KEY
      headrace submit primes count 0 1e9 --coordinator HOST:7333 --key-file KEY

    Results go to standard output, everything else to standard error. Each option can be set by
    the environment variable shown in its help.
    """  # noqa: D301 - \b marks lines that click keeps as they are


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    fill_standard_streams()
    code = _run(arguments)
    drop_unwritten()
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    try:
        return _carry_out(arguments)
    except click.ClickException as error:
        if isinstance(error, _HELP_IS_SHOWN):
            error.show()
            return error.exit_code
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "headrace"
        hint = f" (see {path} --help)" if isinstance(error, click.UsageError) else ""
        _complain(f"{path}: {_explain(error)}{hint}")
        return error.exit_code
    except HeadraceError as error:
        _complain(f"headrace: {explain(error)}")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        _complain("headrace: interrupted")
        return find_exit_code(error)
    except (BrokenPipeError, _ReaderGoneError):
        return EXIT_BROKEN_PIPE
    except OSError as error:
        is_full = says_limit_reached(error)  # whichever file it is
        where = f"{error.filename}: " if error.filename and not is_full else ""
        _complain(f"headrace: {where}{explain_error(error, error.filename or '')}")
        return EXIT_USAGE if is_full or error.errno in WRONG_PATHS else EXIT_TASKS_FAILED


def _explain(error: click.ClickException) -> str:
    """Return click's message, with the name of a variable only if the value comes from it."""
    said = error.format_message()
    if isinstance(error, click.BadParameter) and error.param is not None and error.ctx is not None:
        named = f" (env var: '{error.param.envvar}')"
        said = said.replace(named, "")  # click before 8.2 does not say it
        source = error.ctx.get_parameter_source(error.param.name or "")
        if source is ParameterSource.ENVIRONMENT:
            said = said.replace(": ", f"{named}: ", 1)
    return said


def _carry_out(arguments: list[str] | None) -> int:
    try:
        code = headrace.main(args=arguments, prog_name="headrace", standalone_mode=False)
    except ConnectionError:
        raise
    except OSError as error:
        if error.filename is None and HELP.intersection(arguments or sys.argv[1:]):
            raise explain_unwritten(error) from error  # click does not say what it was
        raise
    _flush()
    return code if isinstance(code, int) else 0


def _flush() -> None:
    try:
        sys.stdout.flush()
    except ConnectionError:
        raise  # a reader that went away
    except OSError as error:
        raise explain_unwritten(error) from error


def _complain(line: str) -> None:
    """Say why the command ends: in its log, if it has begun one that is for programs."""
    line = shorten_line(" ".join(line.split("\n")))
    if "logging" in sys.modules:  # it is not loaded if only the version is shown
        from headrace_wire.log_format import log_end  # noqa: PLC0415 - quick start

        if log_end(line):
            return
    tell(line)
