"""A job's log: what its tasks have printed and logged, in pages and in lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from headrace.blocking import BlockingCaller, finish_each
from headrace.cli.printing import tell
from headrace.engine import Engine
from headrace.job_log import read_pages
from headrace_wire.bounds import LOG_BYTES_KEPT, LOG_LINES_KEPT
from headrace_wire.log_format import write_moment
from headrace_wire.messages.logs import LogLine, LogPage
from headrace_wire.printing import clean_line, indent
from headrace_wire.words import count


def explain_missed(missed: int) -> str:
    """Say that this many older lines are missing."""
    older = count(missed, "older line is", "older lines are")
    kept = f"{LOG_LINES_KEPT:,}, or {LOG_BYTES_KEPT >> 20} MiB of them"
    return f"{older} not kept: of a job's lines it is the newest {kept}"


def tell_missed(missed: int) -> None:
    """Report this on standard error, if lines are missing."""
    if missed:
        tell(f"headrace: {explain_missed(missed)}")


def read_log(engine: Engine, job_id: str, *, follow: bool) -> Iterator[LogPage]:
    """Yield a job's log from its beginning, page by page; with ``follow``, until the job ends.

    Raises UnknownJobError if there is no such job. A job that is deleted meanwhile has ended.
    """
    return finish_each(read_pages(BlockingCaller(engine.results), job_id, follow=follow))


def show_line(line: LogLine) -> dict[str, object]:
    """Return a log line as a JSON object."""
    return {
        "at": write_moment(line.at),
        "level": line.level,
        "worker": line.worker,
        "task": line.index,
        "attempt": line.attempt or None,
        "text": line.text,
    }


def format_line(line: LogLine, write: Callable[[float], str] = write_moment) -> str:
    """Return a log line for people, followed by indented lines such as those of a traceback.

    ``write`` formats its time.
    """
    head, _, rest = line.text.rstrip("\n").partition("\n")
    attempt = f" attempt {line.attempt}" if line.attempt > 1 else ""
    about = f"{write(line.at)} {line.level:<7} {line.worker} task {line.index}{attempt}"
    first = clean_line(f"{about}: {head}")
    return f"{first}\n{indent(rest)}" if rest else first
