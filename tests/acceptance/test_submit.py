"""``headrace submit`` and the commands about jobs, against a coordinator and a worker."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from headrace.cluster import Cluster
from headrace.job import Job
from headrace.submission import SubmitOptions
from headrace_services.images.formats import sniff_format
from headrace_services.service import Plan
from headrace_wire.errors import WaitTimedOutError
from headrace_wire.messages.jobs import CANCELLED, FAILED, SUCCEEDED
from headrace_wire.messages.results import FetchRequest
from headrace_wire.timeouts import Limit
from support.commands import Shell, Site, open_site, start_coordinator, wait_until
from support.probe.headrace_probe import plan

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("submit")

#: Seconds for what a site is asked to do.
LIMIT = 30.0


@pytest.fixture
def cluster(site: Site) -> Iterator[Cluster]:
    with site.open_cluster() as opened:
        yield opened


def submit(cluster: Cluster, planned: Plan, **options: object) -> Job:
    return cluster.submit("probe", planned, SubmitOptions(**options))  # type: ignore[arg-type] # a test names what it cares for


def drain(job: Job) -> dict[int, bytes]:
    """All values of a job, waiting for its end."""
    return dict(job.values(ordered=False))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("count", "0", "1e8"), "5761455\n"),
        (("count", "2^64-100", "2^64"), "3\n"),
        (("count", "7", "7"), "0\n"),
        (("tuplets", "0", "1e7", "--size", "2"), "58980\n"),
        (
            ("test", "2^127-1", "561", "10**18+9"),
            f"{2**127 - 1} prime\n561 composite\n{10**18 + 9} prime\n",
        ),
        (
            ("find", "10**12", "1_000_000_000_100"),
            "1000000000039\n1000000000061\n1000000000063\n1000000000091\n",
        ),
    ],
)
def test_submit_prints_the_result_alone(site: Site, words: tuple[str, ...], expected: str) -> None:
    done = site.shell.run("submit", "primes", *words)
    assert (done.code, done.out) == (0, expected)
    begun, summary = done.err.splitlines()
    assert re.fullmatch(r"headrace: job [0-9a-f]{12} is submitted", begun)
    assert "0 failed" in summary
    assert "s CPU in slots" in summary


@pytest.mark.parametrize(
    ("words", "result"),
    [
        (("count", "0", "1e6"), 78498),
        (("find", "0", "20"), [2, 3, 5, 7, 11, 13, 17, 19]),
        (("find", "24", "26"), []),
        (("test", "97"), [{"number": 97, "prime": True}]),
    ],
    ids=["count", "find", "none", "test"],
)
def test_json_is_the_job_with_its_result_in_the_words_of_the_glossary(
    site: Site, words: tuple[str, ...], result: object
) -> None:
    shown = site.shell.run("submit", "primes", *words, "--json").json()
    assert (shown["state"], shown["service"], shown["failed"]) == (SUCCEEDED, "primes", 0)
    assert {"id", "service", "operation", "tasks", "done", "wall_seconds"} <= shown.keys()
    assert shown["result"] == result


def test_results_are_written_in_each_format(site: Site, tmp_path: Path) -> None:
    job = site.shell.run("submit", "primes", "find", "0", "20", "--detach").out.strip()
    for file_format in ("text", "npy", "json"):
        target = tmp_path / f"primes.{file_format}"
        done = site.shell.run("results", job, "-o", target, "--format", file_format)
        assert (done.code, done.out) == (0, "")
        assert "8 primes" in done.err
    expected = [2, 3, 5, 7, 11, 13, 17, 19]
    assert [int(line) for line in (tmp_path / "primes.text").read_text().split()] == expected
    assert np.load(tmp_path / "primes.npy").tolist() == expected
    assert json.loads((tmp_path / "primes.json").read_text()) == expected


def test_a_detached_job_is_fetched_later_as_often_as_one_likes(site: Site) -> None:
    done = site.shell.run("submit", "primes", "find", "0", "30", "--detach", "--name", "small")
    job = done.out.strip()
    assert (done.code, done.err) == (0, "")
    for _ in range(2):
        assert site.shell.run("results", job).out == "2\n3\n5\n7\n11\n13\n17\n19\n23\n29\n"
    shown = site.shell.run("job", job, "--json").json()
    assert (shown["state"], shown["name"], shown["failures"]) == (SUCCEEDED, "small", [])
    assert "succeeded" in site.shell.run("job", job).out


def test_results_dropped_after_delivery_are_not_served_again(site: Site) -> None:
    job = site.shell.run("submit", "primes", "count", "0", "100", "--detach").out.strip()
    assert site.shell.run("results", job, "--drop").out == "25\n"
    again = site.shell.run("results", job)
    assert again.code == 2
    assert "delivered and dropped" in again.err


def test_pictures_are_fetched_into_another_folder(site: Site, tmp_path: Path) -> None:
    from PIL import Image  # noqa: PLC0415 - for this test alone

    (tmp_path / "in").mkdir()
    (tmp_path / "file").touch()
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "in" / "teal.png")
    words = ("submit", "images", "thumbnail", tmp_path / "in", tmp_path / "out", "--size", "16")
    job = site.shell.run(*words, "--detach").out.strip()
    assert site.shell.run("results", job, "-o", tmp_path / "elsewhere").code == 0
    with Image.open(tmp_path / "elsewhere" / "teal.png") as picture:
        assert picture.size == (16, 12)
    assert list((tmp_path / "out").glob("*")) == []
    refused = site.shell.run("results", job, "-o", tmp_path / "file" / "below")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"{tmp_path / 'file'} is not a folder" in refused.err


def test_pictures_are_fetched_by_others_only_where_they_say(site: Site, tmp_path: Path) -> None:
    from PIL import Image  # noqa: PLC0415 - for this test alone

    source, out, other = tmp_path / "teal.png", tmp_path / "out", tmp_path / "other"
    Image.new("RGB", (64, 48), "teal").save(source)
    job = site.shell.run("submit", "images", "blur", source, out, "--detach").out.strip()
    stranger = Shell(tmp_path, {**site.shell.settings})
    refused = stranger.run("results", job)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "not submitted from here: name the folder that its pictures go to with -o" in refused.err
    assert not out.exists()
    other.mkdir()
    (other / "teal.png").write_text("not a picture of headrace's")
    refused = stranger.run("results", job, "-o", other)
    assert refused.code == 1
    assert "another file is there already" in refused.err
    assert stranger.run("results", job, "-o", other, "--overwrite").code == 0
    assert sniff_format((other / "teal.png").read_bytes()) == "png"
    for words in (("results", job), ("submit", "images", "blur", source, out, "--radius", "9")):
        assert site.shell.run(*words).code == 0
    (out / "teal.png").write_text("changed")
    refused = site.shell.run("submit", "images", "blur", source, out)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "teal.png' would be replaced" in refused.err


def test_jobs_lists_what_was_submitted(site: Site) -> None:
    job = site.shell.run("submit", "primes", "count", "0", "100", "--detach").out.strip()
    assert site.shell.run("jobs", "--json").json()[0]["id"] == job
    assert job in site.shell.run("jobs").out


def test_workers_shows_engines_and_slots(site: Site) -> None:
    (worker,) = site.shell.run("workers", "--json").json()
    assert (worker["name"], worker["slots"]) == ("worker-0", 1)
    assert worker["engines"].keys() == {"images", "primes", "probe"}
    assert "libvips" in worker["engines"]["images"]
    assert "worker-0" in site.shell.run("workers").out


def test_health_is_an_exit_code(site: Site) -> None:
    assert site.shell.run("health").code == 0
    assert site.shell.run("health", "--json").json()["ok"] is True


def test_an_unknown_job_is_one_line(site: Site) -> None:
    done = site.shell.run("results", "nonesuch")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "nonesuch" in done.err


def test_a_result_that_cannot_be_written_is_kept_and_the_command_says_so(site: Site) -> None:
    done = site.shell.run("submit", "primes", "find", "0", "20", "-o", "/dev/full")
    assert done.code == 1
    job = done.err.split("`headrace results ")[1].split("`")[0]
    fetched = site.shell.run("results", job)
    assert (fetched.code, fetched.out.split()) == (0, ["2", "3", "5", "7", "11", "13", "17", "19"])


def test_where_results_cannot_be_written_they_are_not_waited_for(site: Site) -> None:
    job = site.shell.run("submit", "primes", "count", "0", "1e13", "--detach").out.strip()
    for place, why in (("nonesuch/out", "there is no folder"), (".", "it is a folder")):
        refused = site.shell.run("results", job, "-o", place)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert why in refused.err
    assert site.shell.run("delete", job).code == 0


def test_pictures_that_could_not_be_written_are_kept_and_can_be_fetched(
    site: Site, tmp_path: Path
) -> None:
    from PIL import Image  # noqa: PLC0415 - for this test alone

    (tmp_path / "in").mkdir()
    Image.new("RGB", (64, 48), "teal").save(tmp_path / "in" / "teal.png")
    (tmp_path / "out" / "teal.png").mkdir(parents=True)
    done = site.shell.run("submit", "images", "blur", tmp_path / "in", tmp_path / "out")
    assert done.code == 1
    assert "not written: " in done.err
    (job,) = re.findall(r"headrace: the results of job (\w+) are kept", done.err)
    assert site.shell.run("results", job, "-o", tmp_path / "elsewhere").code == 0
    assert (tmp_path / "elsewhere" / "teal.png").is_file()


def test_waiting_has_a_limit_and_the_job_goes_on(site: Site) -> None:
    done = site.shell.run("submit", "primes", "count", "0", "1e13", "--wait", "300ms")
    assert done.code == 124
    job = done.err.split("headrace results ")[1].split("`")[0]
    assert site.shell.run("job", job, "--json").json()["state"] == "running"
    assert site.shell.run("cancel", job).code == 0
    assert site.shell.run("job", job, "--json").json()["state"] == CANCELLED
    assert site.shell.run("delete", job).code == 0
    assert site.shell.run("job", job).code == 2


def test_ctrl_c_leaves_the_job_and_says_how_to_return(site: Site, cluster: Cluster) -> None:
    process = site.shell.start("submit", "primes", "count", "0", "1e13")
    # A task is done, so the command has its answer, and waits.
    while not any(status.state == "running" and status.done for status in cluster.jobs()):
        threading.Event().wait(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (130, "")
    job = next(status.id for status in cluster.jobs() if status.state == "running")
    assert f"headrace results {job}" in err
    cluster.job(job).delete()


def test_a_third_partys_service_runs_like_a_built_in_one(cluster: Cluster) -> None:
    assert drain(submit(cluster, plan(100))) == {n: str(n * n).encode() for n in range(100)}


def test_failed_tasks_are_named_and_retried(site: Site, cluster: Cluster) -> None:
    job = submit(cluster, plan(10, fail=[3, 7]))
    assert len(drain(job)) == 8
    assert (job.refresh().state, job.status.failed) == (FAILED, 2)
    first = next(job.failures())
    assert (first.index, first.reason, first.error_type) == (3, "error", "ArithmeticError")
    assert first.worker == "worker-0"
    assert "told to fail" in first.message
    shown = site.shell.run("results", job.id)
    assert shown.code == 1
    assert shown.err.count("told to fail") == 2
    assert site.shell.run("retry", job.id, "--json").json()["state"] in ("queued", "running")
    assert len(drain(job)) == 8


def test_a_task_that_crashes_is_reported_with_its_signal(cluster: Cluster) -> None:
    job = submit(cluster, plan(5, crash=[2]))
    assert sorted(drain(job)) == [0, 1, 3, 4]
    (failure,) = job.failures()
    assert (failure.index, failure.reason, failure.signal) == (2, "crash", "SIGSEGV")
    assert failure.attempt == 3


def test_a_task_over_its_time_limit_is_killed_alone(cluster: Cluster) -> None:
    job = submit(cluster, plan(5, hang=[1]), timeout_seconds=0.3)
    assert sorted(drain(job)) == [0, 2, 3, 4]
    (failure,) = job.failures()
    assert (failure.index, failure.reason) == (1, "timeout")


def test_cancelling_stops_running_tasks_too(cluster: Cluster, tmp_path: Path) -> None:
    job = submit(cluster, plan(4, tmp_path, hang=[0, 1, 2, 3]))
    wait_until(lambda: list(tmp_path.iterdir()))
    assert job.cancel().state == CANCELLED
    assert drain(submit(cluster, plan(3))) == {0: b"0", 1: b"1", 2: b"4"}, "the slot is free again"


def test_a_job_of_a_billion_tasks_is_submitted_in_kilobytes(site: Site, cluster: Cluster) -> None:
    before = (site.data / "headrace.db").stat().st_size
    job = submit(cluster, plan(10**9, sleep_seconds=1))
    assert job.status.tasks == 10**9
    assert job.cancel().cancelled >= 10**9 - 10
    job.delete()
    assert (site.data / "headrace.db").stat().st_size - before < 100_000


def test_the_wait_for_values_can_be_limited(cluster: Cluster) -> None:
    job = submit(cluster, plan(1, hang=[0]))
    with pytest.raises(WaitTimedOutError):
        list(job.values(ordered=True, limit=Limit.after(0)))
    job.delete()


def test_without_a_coordinator_the_address_and_the_remedy_are_named(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key_file = shell.home / "key"  # named, or it might be that a coordinator is about to start
    named = ("--coordinator", f"127.0.0.1:{port}", "--key-file", str(key_file))
    done = shell.run("submit", "primes", "count", "0", "9", *named)
    assert done.code == 69
    assert f"127.0.0.1:{port}" in done.err
    assert "headrace coordinator" in done.err
    assert done.err.count("\n") == 1


def test_another_key_is_refused(site: Site, tmp_path: Path) -> None:
    wrong = tmp_path / "key"
    wrong.write_text(os.urandom(32).hex())
    wrong.chmod(0o600)
    for words in (("jobs",), ("worker",)):
        done = site.shell.run(*words, "--key-file", wrong)
        assert done.code == 77
        assert "another key" in done.err


def test_a_service_that_no_worker_offers_is_refused_at_once(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        plain = Shell(site.shell.home, {**site.shell.settings, "PYTHONPATH": ""})
        site.shell = plain
        site.add_worker("--slots", "1")
        with (
            site.open_cluster() as cluster,
            pytest.raises(Exception, match="no connected worker offers the service 'probe'"),
        ):
            cluster.submit("probe", plan(1))


def test_a_job_waits_for_a_worker_and_says_so(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        done = site.shell.run("submit", "primes", "count", "0", "100", "--wait", "1500ms")
        assert done.code == 124
        assert "no worker is connected" in done.err


def test_on_one_machine_nothing_is_configured(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = shell.home / ".local" / "state" / "headrace"
    coordinator = start_coordinator(shell, data, port, "--no-http")
    try:
        assert (data / "key").stat().st_mode & 0o777 == 0o600
        assert shell.run("health", "--coordinator", f"127.0.0.1:{port}").code == 0
        second = shell.run("coordinator", "--bind", "127.0.0.1:0", "--no-http")
        assert second.code == 69
        assert "another coordinator uses" in second.err
    finally:
        assert coordinator.stop() == 0


def test_an_address_in_use_is_one_line(site: Site, tmp_path: Path) -> None:
    words = ("coordinator", "--bind", site.address, "--data", tmp_path / "other", "--no-http")
    done = site.shell.run(*words)
    assert done.code == 2
    assert site.address in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_command_that_is_ended_says_what_becomes_of_its_job(
    site: Site, cluster: Cluster, number: signal.Signals, code: int
) -> None:
    first = submit(cluster, plan(1, hang=[0]))
    second = submit(cluster, plan(1, hang=[0]))
    process = site.shell.start("results", second.id)
    assert process.stderr
    assert "every slot is busy" in process.stderr.readline(), "it is there, and waits"
    process.send_signal(number)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == code
    assert f"headrace: job {second.id} goes on. `headrace results {second.id}` waits" in err
    assert f"`headrace cancel {second.id}` stops it" in err
    for job in (second, first):
        job.delete()


@pytest.mark.parametrize(
    "words",
    [["jobs"], ["jobs", "--json"], ["workers"], ["--version"], ["--help"], ["jobs", "--help"]],
    ids=" ".join,
)
def test_a_standard_output_that_is_full_is_told_in_one_line(
    site: Site, cluster: Cluster, words: list[str]
) -> None:
    job = submit(cluster, plan(1))  # so that there is something to list
    job.wait(LIMIT)
    code, err = run_with_full_output(site.shell, *words)
    job.delete()
    assert code == 1
    assert err == "headrace: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("words", [["count"], ["find"], ["count", "--json"]], ids=" ".join)
def test_results_that_could_not_be_written_stay(
    site: Site, cluster: Cluster, words: list[str]
) -> None:
    name = f"unwritten {' '.join(words)}"
    operation, *options = words
    code, err = run_with_full_output(
        site.shell, "submit", "primes", operation, "0", "30", *options, "--name", name
    )
    (job,) = [status.id for status in cluster.jobs() if status.name == name]
    assert code == 1
    assert "headrace: standard output cannot be written: No space left on device\n" in err
    assert f"`headrace results {job}` fetches them" in err
    again = run_with_full_output(site.shell, "results", job, *options)
    assert again[0] == 1
    assert site.shell.run("results", job).code == 0


def test_the_id_of_a_detached_job_is_told_even_if_it_cannot_be_written(site: Site) -> None:
    code, err = run_with_full_output(site.shell, "submit", "primes", "count", "0", "9", "--detach")
    job = site.shell.run("jobs", "--json").json()[0]["id"]
    assert code == 1
    assert "headrace: standard output cannot be written: No space left on device\n" in err
    assert f"`headrace results {job}` waits for it" in err


def test_a_standard_output_that_is_closed_is_told_in_one_line(site: Site) -> None:
    words = ("submit", "primes", "find", "0", "30")
    process = site.shell.start(*words, preexec_fn=lambda: os.close(1))
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (1, "")
    begun, kept, told = err.splitlines()
    assert begun.endswith("is submitted")
    assert "fetches them" in kept
    assert told == "headrace: standard output cannot be written: Bad file descriptor"


def run_with_full_output(shell: Shell, *words: str) -> tuple[int, str]:
    with Path("/dev/full").open("wb") as full:
        process = shell.start(*words, stdout=full)
        _, err = process.communicate(timeout=LIMIT)
    return process.returncode, err


def test_failed_tasks_are_paged_by_their_index(cluster: Cluster) -> None:
    job = submit(cluster, plan(10, fail=[3, 7, 9]))
    job.wait(LIMIT)
    results = cluster.engine.results
    pages = [results.failures(job.id, start, 2) for start in (0, 4, 8, 10)]
    assert [[failure.index for failure in page] for page in pages] == [[3, 7], [7, 9], [9], []]
    assert [failure.index for failure in job.failures()] == [3, 7, 9]


def test_a_jobs_parameters_come_once_and_not_with_every_fetch(cluster: Cluster) -> None:
    job = submit(cluster, plan(3))
    parameters = job.status.parameters
    assert len(drain(job)) == 3
    assert job.status.parameters == parameters, "the job still knows them"
    request = FetchRequest(job.id, 0, ordered=False, max_bytes=0, wait_seconds=0.0, seen=0)
    results = cluster.engine.results
    assert results.fetch(request).status.parameters == parameters
    assert results.fetch(replace(request, known=True)).status.parameters == b""


def test_values_of_a_job_with_gaps_come_in_order_when_it_has_ended(cluster: Cluster) -> None:
    job = submit(cluster, plan(6, fail=[0, 2, 5]))
    job.wait(LIMIT)
    values = {index: str(index * index).encode() for index in (1, 3, 4)}
    assert list(job.values(ordered=True)) == list(values.items())
