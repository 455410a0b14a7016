"""The commands about jobs that are there: how they are named, listed, looked at and forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_services.primes import plan_count
from headrace_wire.messages.jobs import CANCELLED, SUCCEEDED, JobSpec
from support.commands import Finished, Process, Shell, Site, open_site
from support.terminal import END, open_terminal

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("jobs")

#: Seconds for a job.
LIMIT = 30.0

FUNCTIONS = """
import time

def double(number):
    return 2 * number

def wait(seconds):
    time.sleep(seconds)
    return seconds
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A coordinator and a worker that allows a module."""
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "shop.py").write_text(FUNCTIONS)
    (folder / "numbers.jsonl").write_text("1\n2\n")
    (folder / "seconds.jsonl").write_text("0.3\n0\n0\n")
    with open_site(folder, workers=0) as opened:
        words = ("--slots", "1", "--name", "w", "--allow", "shop", "--path", str(folder))
        opened.add_worker(*words)
        yield opened


def submit(shell: Shell, *words: str) -> str:
    done = shell.run("submit", *words, "--detach")
    assert done.code == 0, done.err
    return done.out.strip()


def count_primes(site: Site) -> str:
    """The id of a job that has succeeded."""
    with site.open_cluster() as cluster:
        job = cluster.submit("primes", plan_count(0, 100))
        assert job.wait(LIMIT).state == SUCCEEDED
        return job.id


def cancel_one(site: Site) -> str:
    """The id of a job that is cancelled, and the only one."""
    with site.open_cluster() as cluster:
        for status in cluster.jobs():
            if status.state == CANCELLED:
                cluster.job(status.id).delete()
        job = cluster.submit("primes", plan_count(0, 10**13))
        assert job.cancel().state == CANCELLED
        return job.id


def list_ids(done: Finished) -> list[str]:
    assert done.code == 0, done.err
    return [status["id"] for status in done.json()]


def test_an_id_may_be_shortened_to_what_is_unique(site: Site) -> None:
    job, other = count_primes(site), count_primes(site)
    length = next(size for size in range(1, 13) if other[:size] != job[:size])
    shown = site.shell.run("job", job[: max(length, 8)], "--json").json()
    assert shown["id"] == job
    assert site.shell.run("results", job[:8]).out == "25\n"
    assert f"job {job} is succeeded" in site.shell.run("cancel", job[:8]).err
    assert f"job {job} has no dead tasks" in site.shell.run("dead", "list", job[:8]).err
    assert site.shell.run("logs", job[:8]).code == 0
    assert f"job {job} is deleted" in site.shell.run("delete", job[:8]).err
    assert site.shell.run("job", job[:8]).code == 2


def test_an_id_that_is_not_unique_or_unknown_is_refused_in_one_line(site: Site) -> None:
    with site.open_cluster() as cluster:
        for job in ("ambiguous-1", "ambiguous-2"):
            cluster.engine.jobs.submit(JobSpec(job, "primes", "count", b"", None, carried=True))
    refused = site.shell.run("job", "ambig")
    assert refused.code == 2
    assert refused.err == "headrace: 'ambig' may be any of 2 jobs: ambiguous-2, ambiguous-1\n"
    for job in ("ambiguous-1", "ambiguous-2"):
        assert site.shell.run("delete", job).code == 0
    assert "there is no job 'zzz'" in site.shell.run("job", "zzz").err


def test_jobs_shows_the_newest_and_says_that_there_are_more(site: Site) -> None:
    made = [count_primes(site) for _ in range(3)]
    newest = site.shell.run("jobs", "--limit", "2", "--json")
    assert list_ids(newest) == [made[2], made[1]]
    everything = site.shell.run("jobs", "--all", "--json")
    told = f"the newest 2 of {len(list_ids(everything))} jobs; --all or --limit N shows more"
    assert newest.err == f"headrace: {told}\n"
    assert set(made) <= set(list_ids(everything))
    assert everything.err == ""


def test_jobs_are_chosen_by_state_service_and_time(site: Site) -> None:
    job = count_primes(site)
    running = cancel_one(site)

    def choose(*words: str) -> list[str]:
        return list_ids(site.shell.run("jobs", "--all", *words, "--json"))

    assert choose("--state", "cancelled") == [running]
    assert {running, job} <= set(choose("--state", "cancelled", "--state", "SUCCEEDED"))
    assert choose("--service", "nonesuch") == []
    assert choose("--text", job[2:].upper()) == [job]
    assert choose("--text", job, "--by", "nobody") == []
    assert job in choose("--service", "primes", "--since", "1h")
    assert job in choose("--since", "2020-01-01T00:00")
    assert choose("--since", "2100-01-01") == []
    assert site.shell.run("jobs", "--since", "2020-13-77").code == 2
    none = site.shell.run("jobs", "--state", "queued")
    assert none.err == "headrace: there are no such jobs\n"


def test_who_waits_for_a_job_that_somebody_deletes_is_told_so(site: Site) -> None:
    waiting = Process(site.shell, "submit", "primes", "count", "0", "1e14")
    job = waiting.wait_for("is submitted").split()[2]
    assert site.shell.run("delete", job).code == 0
    assert waiting.wait() == 2
    assert waiting.lines[-1] == f"headrace: job {job} was deleted, and its results with it"


def test_all_jobs_in_a_state_are_deleted_once_somebody_has_said_yes(site: Site) -> None:
    running = cancel_one(site)
    refused = site.shell.run("delete", "--state", "cancelled")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "1 cancelled job and the results, and nobody can be asked: --yes" in refused.err
    assert site.shell.run("job", running).code == 0
    done = site.shell.run("delete", "--state", "cancelled", "--yes")
    assert done.err == f"headrace: job {running} is deleted\n"
    assert site.shell.run("delete", "--state", "cancelled").err == (
        "headrace: there is no cancelled job\n"
    )
    for words in ((), (running, "--state", "failed")):
        assert "name the jobs to delete, or give --state" in site.shell.run("delete", *words).err


@pytest.mark.parametrize(
    ("keys", "code", "told"),
    [
        (("n", "Enter"), 1, "headrace: nothing is deleted"),
        (("C-d",), 1, "headrace: nothing is deleted"),
        (("C-c",), 130, "headrace: interrupted"),
        (("y", "Enter"), 0, "is deleted"),
    ],
    ids=str,
)
def test_a_question_on_a_terminal_is_waited_for(
    site: Site, tmp_path: Path, keys: tuple[str, ...], code: int, told: str
) -> None:
    running = cancel_one(site)
    with open_terminal(
        tmp_path, "delete", "--state", "cancelled", settings=site.shell.settings
    ) as terminal:
        terminal.wait_for("Delete 1 cancelled job and the results? [y/N]")
        for key in keys:
            terminal.press(key)
        asked, said, end = [line for line in terminal.finish() if line]
        assert asked.startswith("Delete ")
        assert told in said
        assert end == f"{END} {code}"
    assert (site.shell.run("delete", running).code == 0) == bool(code), "it was still there"


def test_the_function_of_calls_is_shown(site: Site) -> None:
    job = submit(site.shell, "map", "shop:double", "numbers.jsonl")
    assert "calls shop:double " in site.shell.run("jobs").out
    shown = site.shell.run("job", job).out
    assert "\nwork        calls shop:double\n" in shown
    assert f"job {job}: calls shop:double\n" in "\n".join(site.coordinator.lines)
    assert site.shell.run("job", job, "--json").json()["function"] == "shop:double"
    with site.open_cluster() as cluster:
        mapped = cluster.map("shop:double", [1, 2])
        assert mapped.status.function == "shop:double"


def test_the_slowest_tasks_are_shown_with_who_ran_them(site: Site) -> None:
    job = submit(site.shell, "map", "shop:wait", "seconds.jsonl")
    assert site.shell.run("results", job).code == 0
    shown = site.shell.run("job", job, "--slowest", "2")
    assert "\ntask times  half within " in shown.out
    slow = [line for line in shown.out.splitlines() if line.startswith("slow ")]
    assert slow[0].startswith("slow        task 0: 0.")
    assert slow[0].endswith(" s CPU, on w")
    times = site.shell.run("job", job, "--slowest", "2", "--json").json()["slowest"]
    assert (times[0]["start"], times[0]["worker"]) == (0, "w")
    assert 0.3 <= times[0]["busy_seconds"] < 60


def test_a_shell_completes_the_ids_of_jobs(site: Site) -> None:
    job = count_primes(site)
    completing = Shell(
        site.shell.home,
        {
            **site.shell.settings,
            "_HEADRACE_COMPLETE": "bash_complete",
            "COMP_WORDS": f"headrace job {job[:6]}",
            "COMP_CWORD": "2",
        },
    )
    assert completing.run().out == f"plain,{job}\n"
    completing.settings["COMP_WORDS"] = "headrace dead "
    assert completing.run().out.split() == ["plain,list", "plain,replay"]
    completing.settings["COMP_WORDS"] = "headrace job "
    completing.settings["HEADRACE_COORDINATOR"] = "127.0.0.1:1"
    done = completing.run()
    assert (done.out.strip(), done.err) == ("", "")
