"""Results of jobs that did not succeed: what there is, and then what is missing and why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import AsyncCluster, Cluster, JobIncompleteError, SubmitOptions, TaskFailedError
from headrace.job import Job
from headrace_services.primes import plan_count, plan_find
from headrace_wire.messages.jobs import CANCELLED, FAILED
from support.commands import Site, open_site, wait_until

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("partial_results")

#: A module of a user's own. What is not to end does not.
SHOP = """
import threading
def work(item):
    if item == "hang":
        threading.Event().wait()
    if item == "fail":
        raise LookupError("no tea")
    return item
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("partial")
    shop = folder / "shop"
    shop.mkdir()
    (shop / "shop.py").write_text(SHOP)
    with open_site(folder, workers=0) as opened:
        opened.add_worker("--slots", "1", "--path", str(shop), "--allow", "shop")
        yield opened


def cancel_after(job: Job, ended: int) -> None:
    """Cancel a job when so many of its tasks are over."""
    wait_until(lambda: (status := job.refresh()).done + status.failed >= ended)
    job.cancel()


def take_all(job: Job, *, ordered: bool = True) -> tuple[list[object], Exception | None]:
    values: list[object] = []
    try:
        values.extend(job.results(ordered=ordered))  # keeps what came before an exception
    except (JobIncompleteError, TaskFailedError) as error:
        return values, error
    return values, None


@pytest.mark.parametrize("ordered", [True, False])
def test_a_cancelled_job_gives_what_it_has_and_says_what_is_missing(
    cluster: Cluster, ordered: bool
) -> None:
    job = cluster.map("shop:work", [1, 2, 3, "hang", 5, 6])
    cancel_after(job, 3)
    values, error = take_all(job, ordered=ordered)
    assert values == [1, 2, 3]
    assert isinstance(error, JobIncompleteError)
    assert str(error) == (
        f"3 of 6 values of job {job.id} are missing, of tasks 3, 4, 5: the job was cancelled"
    )


def test_a_job_of_which_nothing_was_done_is_not_an_empty_success(cluster: Cluster) -> None:
    job = cluster.map("shop:work", ["hang"] * 4)
    job.cancel()
    values, error = take_all(cluster.job(job.id))
    assert (values, type(error)) == ([], JobIncompleteError)


def test_a_job_that_ended_at_its_deadline_says_so(cluster: Cluster) -> None:
    job = cluster.map("shop:work", [1, "hang", 3], SubmitOptions(deadline_seconds=2))
    _, error = take_all(job)
    assert job.status.state == FAILED
    assert isinstance(error, JobIncompleteError)
    assert "its deadline of 2 s passed" in str(error)


def test_failed_tasks_and_those_that_did_not_run_are_told_together(cluster: Cluster) -> None:
    job = cluster.map("shop:work", ["fail", 2, "hang", 4])
    cancel_after(job, 2)
    values, error = take_all(job)
    assert values == [2]
    assert isinstance(error, TaskFailedError)
    assert "no tea" in str(error)
    assert "3 of 4 values of job" in str(error)


def test_positions_are_told_where_values_are_missing(cluster: Cluster) -> None:
    job = cluster.map("shop:work", ["a", "fail", "c"])
    found: list[tuple[int, str]] = []
    with pytest.raises(TaskFailedError):
        found.extend(job.indexed_results())
    assert found == [(0, "a"), (2, "c")]


def test_a_result_that_is_put_together_is_not_passed_off_as_whole(
    cluster: Cluster, tmp_path: Path
) -> None:
    job = cluster.map("shop:work", [1, 2, "hang"])
    cancel_after(job, 2)
    written = tmp_path / "values.jsonl"
    with pytest.raises(JobIncompleteError, match="1 of 3 values"):
        job.result(written)
    assert [json.loads(line) for line in written.read_text().splitlines()] == [
        {"index": 0, "value": 1},
        {"index": 1, "value": 2},
    ]


@pytest.mark.parametrize("plan", [plan_count(0, 10**13), plan_find(0, 10**13)])
def test_primes_of_a_cancelled_job_are_refused_with_the_reason(
    cluster: Cluster, plan: object
) -> None:
    job = cluster.submit("primes", plan)  # type: ignore[arg-type] # either of two plans
    job.cancel()
    with pytest.raises(JobIncompleteError, match=r"not complete.*values of job .* cancelled"):
        job.result()


def test_the_same_with_await(site: Site, cluster: Cluster) -> None:
    job = cluster.map("shop:work", [1, "hang"])
    cancel_after(job, 1)

    async def take(values: list[object]) -> None:
        async with AsyncCluster(site.address, key_file=site.data / "key") as opened:
            async for value in (await opened.job(job.id)).results(timeout=30):
                values.append(value)  # noqa: PERF401 - keeps what came before the exception

    values: list[object] = []
    with pytest.raises(JobIncompleteError, match="1 of 2 values"):
        asyncio.run(take(values))
    assert values == [1]


def test_the_command_line_says_in_one_line_what_is_missing(site: Site, cluster: Cluster) -> None:
    job = cluster.map("shop:work", [1, 2, "hang", 4])
    cancel_after(job, 2)
    assert job.status.state == CANCELLED
    for drop in [("--drop",), ()]:  # what is not whole is not dropped
        told = site.shell.run("results", job.id, *drop)
        assert told.code == 1
        assert [json.loads(line)["index"] for line in told.out.splitlines()] == [0, 1]
        (line,) = [line for line in told.err.splitlines() if "are missing" in line]
        assert line == (
            f"headrace: 2 of 4 values of job {job.id} are missing, of tasks 2, 3: the job was "
            f"cancelled; `headrace retry {job.id}` runs what is left"
        )
