"""Finds jobs by their ids, or by the beginning of an id if only one job has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from headrace.cli.kinds import ValueKind
from headrace.cli.show import describe_work
from headrace.data_folder import read_key
from headrace_wire.address import DEFAULT_PORT, Address
from headrace_wire.bounds import JobId, describe, is_within, quote, split_hint
from headrace_wire.encryption import choose_encryption
from headrace_wire.errors import HeadraceError, UnknownJobError, UsageError
from headrace_wire.words import count

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from headrace.cluster import Cluster
    from headrace.job import Job

#: How many characters an id has. A shorter text may be the beginning of one.
ID_CHARACTERS = 12

#: How many seconds a user who has pressed the tab key waits for a coordinator.
COMPLETION_SECONDS = 2.0

#: How many jobs are offered then.
JOBS_OFFERED = 50


class JobKind(ValueKind):
    """A job's id, or the beginning of one. Shells complete it with the ids of the newest jobs."""

    name = "JOB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        kind, meta, _ = split_hint(JobId)
        if meta and not is_within(meta, str(value)):
            may_be = describe(meta, kind)
            self.fail(f"{quote(str(value))} is no job's id, which is {may_be}", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only for shells

        del param
        try:
            found = _list_newest(ctx)
        except (HeadraceError, OSError):  # it must not be reported while the user types
            return []
        return [
            CompletionItem(id_, help=about) for id_, about in found if id_.startswith(incomplete)
        ]


JOB = JobKind()


def find_job(cluster: Cluster, text: str, *, past: bool = False) -> Job:
    """Return the job with this id, or the only one whose id begins like this.

    With ``past``, expired jobs are found, too. Raises UnknownJobError and UsageError.
    """
    if len(text) < ID_CHARACTERS:
        alike = cluster.engine.jobs.match(text)
        if len(alike) > 1:
            raise UsageError(
                f"{quote(text)} may be any of {count(len(alike), 'job')}: {', '.join(alike)}"
            )
        text = alike[0] if alike else text
    job = cluster.job(text)
    if job.status.expired and not past:
        raise UnknownJobError(
            f"job {job.id} has expired, and only its summary is left: `headrace job {job.id}`"
        )
    return job


def _list_newest(context: click.Context) -> list[tuple[str, str]]:
    from headrace.cluster import Cluster  # noqa: PLC0415 - as above
    from headrace_wire.timeouts import Limit  # noqa: PLC0415 - as above

    params = context.params
    address = params.get("coordinator") or Address("127.0.0.1", DEFAULT_PORT)
    files = [params.get(f"tls_{name}") for name in ("cert", "key", "ca")]
    tls = choose_encryption(params.get("tls") or "auto", *files)
    is_named = context.get_parameter_source("key_file") is not ParameterSource.DEFAULT
    key = read_key(None, params.get("key_file") if is_named else None)
    with (
        Limit.after(COMPLETION_SECONDS).applied(),
        Cluster(address, key, patience_seconds=0.0, tls=tls) as cluster,
    ):
        return [
            (status.id, " ".join(filter(None, (status.state, describe_work(status), status.name))))
            for status in cluster.jobs(limit=JOBS_OFFERED)
        ]
