"""A single look as plain text, for pipes and logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from headrace.cli.show import format_table
from headrace.cli.top import job_rows, worker_rows
from headrace.cli.top.columns import Column
from headrace.cli.top.summary import describe_cluster, describe_trouble
from headrace.cli.top.view import ClusterSnapshot
from headrace_wire.printing import clean_line


def draw_plain(snapshot: ClusterSnapshot, where: str) -> str:
    """Return the summary, the jobs and the workers."""
    lines = [*describe_cluster(snapshot, where), describe_trouble(snapshot)]
    parts = ["\n".join(clean_line(line) for line in lines if line)]
    jobs = [job_rows.make_row(job) for job in snapshot.jobs]
    workers = [worker_rows.make_row(worker, snapshot.speeds) for worker in snapshot.workers]
    parts += _draw(job_rows.COLUMNS, jobs)
    parts += _draw(worker_rows.COLUMNS, workers)
    return "\n\n".join(parts) + "\n"


def _draw(columns: Sequence[Column], rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    if rows:
        headings = [column.heading for column in columns]
        yield format_table(headings, [[row[heading] for heading in headings] for row in rows])
