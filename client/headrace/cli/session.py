"""A job from its submission to its summary line, for ``submit``, ``run`` and ``results``.

cluster (embedded or at an address) ─► submit ─► values ─► the service's gather ─► output
└─► progress (standard error)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import click
from msgspec.structs import replace

from headrace import own_jobs
from headrace.cli.connecting import connect_soon
from headrace.cli.job_object import JobObject
from headrace.cli.options import JobOptions, refuse_both
from headrace.cli.printing import refuse_format, say, say_json, say_text, tell
from headrace.cli.progress import Progress
from headrace.cli.show import describe_work, show_status
from headrace.cli.stopping import find_exit_code, stop_by_signals
from headrace.cli.summary import explain_failures, summarise
from headrace.cluster import Cluster
from headrace.engine import Engine
from headrace.job import Job
from headrace.missing import Received, describe_missing
from headrace_services.destination import open_destination
from headrace_services.registry import load_service
from headrace_services.service import Gathered, Outputs, Plan, Target
from headrace_wire.engines import POOL
from headrace_wire.errors import (
    EXIT_OK,
    EXIT_TASKS_FAILED,
    HeadraceError,
    OutputError,
    UnknownJobError,
    UsageError,
    WaitTimedOutError,
)
from headrace_wire.messages.jobs import CANCELLED, FAILED, SUCCEEDED, JobStatus
from headrace_wire.open_files import explain_system_error
from headrace_wire.printing import write_json
from headrace_wire.timeouts import Limit
from headrace_wire.words import count


def carry_out(
    service: str,
    plan: Plan,
    options: JobOptions,
    output: Path | None = None,
    file_format: str | None = None,
    import_path: Sequence[str] = (),
    *,
    overwrite: bool = False,
) -> None:
    """Submit a planned job, wait, combine the results, report how it went, and exit.

    An embedded worker looks for a user's modules in ``import_path``. With ``overwrite``, files that
    others have made are replaced.
    """
    if options.detach and options.logs:
        raise UsageError(
            "--detach does not wait, so there is no time to show --logs in: leave one of them out, "
            "or use `headrace logs -f` afterwards"
        )
    if options.detach:
        _refuse_waiting(output, file_format)
    if not options.detach:
        refuse_format(file_format, output, as_json=options.as_json)
    with (
        stop_by_signals(),
        _open_cluster(options, import_path) as cluster,
        Progress() as progress,
    ):
        started = time.monotonic()
        if plan.cut is not None and options.connection is None:
            plan = plan.cut(_count_embedded_slots(options, cluster))
        job = _submit(cluster, service, plan, options, progress)
        if plan.outputs is not None and options.connection is not None:
            _remember(job.id, plan.outputs, detach=options.detach)
        if options.connection is not None and not options.detach:
            progress.close()
            tell(f"headrace: job {job.id} is submitted")
        if options.detach:
            _say_submitted(job, as_json=options.as_json)
            return
        target = Target(progress.open_output(), output, file_format, overwrite=overwrite)
        code = deliver(
            job,
            target,
            progress,
            as_json=options.as_json,
            wait_seconds=options.wait,
            started=started,
            embedded=options.connection is None,
            drop=True,
            # The worker of another engine is there before the job.
            awaited=cluster.engine
            if options.connection is None and options.engine == POOL
            else None,
            log_of=cluster.engine if options.logs else None,
        )
    click.get_current_context().exit(code)


def deliver(
    job: Job,
    target: Target,
    progress: Progress,
    *,
    as_json: bool,
    wait_seconds: float | None,
    started: float | None,
    embedded: bool,
    drop: bool,
    awaited: Engine | None = None,
    log_of: Engine | None = None,
) -> int:
    """Wait for a job's values, combine them and report how it went. Returns the exit code.

    Wall time counts from ``started`` (monotonic), or from the job's own start if it is None. With
    ``drop``, the coordinator drops the results once they are written, if all tasks succeeded.
    It is shown what the job waits for; if a worker will connect to the engine ``awaited`` by
    itself, only if that is room. If ``log_of`` is given, the job's log is read from that engine and
    shown meanwhile.
    """
    received, processed = Received(), _ProcessedCounter()
    shown = JobObject() if as_json else None
    if shown:
        target = shown.aim(job.status.service, target)
    try:
        gathered = _gather(
            job,
            target,
            progress,
            wait_seconds,
            received,
            processed,
            awaited=awaited,
            log_of=log_of,
        )
        progress.close()
        gathered = _put_out(job, target, gathered, shown)
    except WaitTimedOutError:
        if shown and not shown.is_begun:
            shown.finish(job.status, None)
        raise
    except UnknownJobError:
        raise UnknownJobError(f"job {job.id} was deleted, and its results with it") from None
    except KeyboardInterrupt as error:
        progress.close()
        _say_how_to_return(job, embedded=embedded, written=_describe_written(job, processed))
        return find_exit_code(error)
    except OutputError:
        progress.close()
        if processed.count and (written := _describe_written(job, processed)):
            tell(f"headrace: {written}")
        _say_what_is_left(job, received, embedded=embedded)
        raise
    for problem in gathered.problems:
        tell(f"not written: {problem}")
    if gathered.problems and not embedded and not job.status.failed:  # else it is reported below
        _say_kept(job)
    elif drop and job.status.state == SUCCEEDED:  # else they are needed for a retry
        _acknowledge(job)
    explain_failures(job, describe_missing(job.status, received), embedded=embedded)
    wall_seconds = job.status.wall_seconds or 0.0
    if started is not None:
        wall_seconds = time.monotonic() - started
    tell(summarise(job.status, wall_seconds, gathered.written))
    spoiled = job.status.state in {CANCELLED, FAILED} or gathered.problems
    return EXIT_TASKS_FAILED if spoiled else EXIT_OK


def _refuse_waiting(output: Path | None, file_format: str | None) -> None:
    """Refuse options about results that --detach does not wait for. Raises UsageError."""
    if output is not None:
        refuse_both("detach", "output", ", or use `headrace results -o` afterwards")
    if file_format is not None:  # that of pictures is part of the job
        refuse_both("detach", "file_format", ", or use `headrace results --format` afterwards")
    refuse_both("detach", "wait", ", or use `headrace results --wait` afterwards")


@contextlib.contextmanager
def _open_cluster(options: JobOptions, import_path: Sequence[str]) -> Generator[Cluster]:
    if options.connection is None:
        from headrace.engine_choice import choose_engine  # noqa: PLC0415 - only for run
        from headrace.sessions import open_embedded_cluster  # noqa: PLC0415 - only for run
        from headrace_services.permits import (  # noqa: PLC0415 - only for run
            EVERYTHING,
            EVERYWHERE,
            Permits,
        )

        # Whoever runs it here may run anything here.
        permits = Permits((EVERYTHING,), paths=tuple(import_path), roots=(EVERYWHERE,))
        limit = "--timeout" if options.timeout is not None else ""
        engine = choose_engine(options.engine, None, limit=limit)
        with open_embedded_cluster(options.slots, permits=permits, engine=engine) as cluster:
            yield cluster
    else:
        yield connect_soon(options.connection, options.wait)


def _count_embedded_slots(options: JobOptions, cluster: Cluster) -> int:
    if options.engine != POOL:
        return max(1, cluster.engine.jobs.info().slots)
    # The worker has not connected yet.
    from headrace_worker.machine.cores import count_usable_cores, parse_slots  # noqa: PLC0415 - for run

    return parse_slots(options.slots, count_usable_cores())


def _submit(
    cluster: Cluster, service: str, plan: Plan, options: JobOptions, progress: Progress
) -> Job:
    if plan.inputs is not None:
        progress.begin("sending", plan.tasks)
    try:
        return cluster.submit(
            service,
            plan,
            options.for_submit,
            on_upload=progress.update,
            on_held=progress.tell_waiting,
        )
    except KeyboardInterrupt as error:
        progress.close()
        tell("headrace: interrupted while sending; the job was not submitted")
        click.get_current_context().exit(find_exit_code(error))


class _ProcessedCounter:
    """Counts the values that have been processed, which is when the next one is requested."""

    count = 0

    def watch(self, values: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        for pair in values:
            yield pair
            self.count += 1


def _gather(
    job: Job,
    target: Target,
    progress: Progress,
    wait_seconds: float | None,
    received: Received,
    processed: _ProcessedCounter,
    *,
    awaited: Engine | None,
    log_of: Engine | None,
) -> Gathered:
    status = job.status
    service = load_service(status.service)
    progress.begin(describe_work(status), status.tasks)

    def show(latest: JobStatus) -> None:
        waiting_for = latest.waiting_for
        if waiting_for and awaited and not awaited.lacks_room:
            waiting_for = ""  # nobody needs to start a worker if one will connect by itself
        progress.update(latest.done + latest.failed, waiting_for)

    values = job.values(
        ordered=service.is_ordered(status.operation),
        on_progress=show,
        limit=Limit.after(wait_seconds),
        received=received,
    )
    try:
        with _show_log(log_of, job):
            return job.gather(processed.watch(values), target)
    except WaitTimedOutError:
        progress.close()
        raise WaitTimedOutError(
            f"job {job.id} is not done after {wait_seconds:g} s and goes on: "
            f"`headrace results {job.id}` waits for it"
        ) from None


def _show_log(engine: Engine | None, job: Job) -> contextlib.AbstractContextManager[None]:
    if engine is None:
        return contextlib.nullcontext()
    from headrace.cli.log_tail import show_log  # noqa: PLC0415 - only with --logs

    return show_log(engine, job.id)


def _put_out(job: Job, target: Target, gathered: Gathered, shown: JobObject | None) -> Gathered:
    """Write or print what a service has made for people, or the job as JSON."""
    text = _make_text(gathered)
    if text and target.path is not None:
        with open_destination(target) as file:
            file.write(text.encode())
        gathered = replace(gathered, written=f"the result to {target.path}")
    if shown:
        shown.finish(job.status, gathered.result)
    elif text and target.path is None:
        say_text(text)
    return gathered


def _make_text(gathered: Gathered) -> str:
    """Return the result as text for people, if the service has not written it anywhere."""
    if gathered.written or gathered.text or gathered.result is None:
        return gathered.text
    return f"{write_json(gathered.result)}\n"


def _acknowledge(job: Job) -> None:
    try:
        job.acknowledge()
        own_jobs.forget(job.id)
    except HeadraceError as error:
        tell(f"headrace: the results are all here; they stay there, too: {error}")


def _remember(job_id: str, outputs: Outputs, *, detach: bool) -> None:
    try:
        own_jobs.remember(job_id, outputs)
    except OSError as error:
        if detach:
            tell(
                f"headrace: {error.filename or 'the state folder'} cannot be written "
                f"({explain_system_error(error)}): `headrace results {job_id}` will need -o"
            )


def _say_submitted(job: Job, *, as_json: bool) -> None:
    try:
        say_json(show_status(job.status)) if as_json else say(job.id)
    except OutputError:
        _say_how_to_return(job, embedded=False)
        raise


def _say_kept(job: Job) -> None:
    tell(
        f"headrace: the results of job {job.id} are kept: `headrace results {job.id}` fetches them"
    )


def _say_what_is_left(job: Job, received: Received, *, embedded: bool) -> None:
    """Report the state of a job whose values cannot be written, and where they still are."""
    has_ended = job.status.finished_at is not None
    if has_ended:
        missing = describe_missing(job.status, received, all_read=False)
        explain_failures(job, missing, embedded=embedded)
    if not embedded and not (has_ended and job.status.failed):  # otherwise it was just reported
        _say_kept(job)


def _describe_written(job: Job, processed: _ProcessedCounter) -> str:
    """Return what a command has written before its end: pictures are written one by one."""
    if job.status.service != "images":
        return ""
    return f"{processed.count:,} of {count(job.status.tasks, 'picture')} written"


def _say_how_to_return(job: Job, *, embedded: bool, written: str = "") -> None:
    if embedded:
        tell(f"headrace: interrupted; {written or 'nothing of this job is left'}")
    else:
        done = f", {written}" if written else ""
        tell(
            f"headrace: job {job.id} goes on{done}. "
            f"`headrace results {job.id}` waits for it again, `headrace cancel {job.id}` stops it",
        )
