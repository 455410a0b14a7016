"""``headrace submit`` and the commands about jobs, against a coordinator and a worker."""

from __future__ import annotations

import json
import re
import signal
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

from headrace_services.images.formats import sniff_format
from headrace_wire.errors import WaitTimedOutError
from headrace_wire.messages.jobs import CANCELLED, SUCCEEDED
from headrace_wire.messages.results import FetchRequest
from headrace_wire.timeouts import Limit
from support.commands import Shell, Site
from support.probe.headrace_probe import plan
from support.probe_jobs import drain, submit

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.cluster import Cluster

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("submit")

#: Seconds for what a site is asked to do.
LIMIT = 30.0


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
    printed = site.shell.run("submit", "primes", *words, "--json")
    assert (printed.out.count("\n"), printed.out[-2:]) == (1, "}\n")
    shown = printed.json()
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


def test_a_jobs_parameters_come_once_and_not_with_every_fetch(cluster: Cluster) -> None:
    job = submit(cluster, plan(3))
    parameters = job.status.parameters
    assert len(drain(job)) == 3
    assert job.status.parameters == parameters, "the job still knows them"
    request = FetchRequest(job.id, 0, ordered=False, max_bytes=0, wait_seconds=0.0, seen=0)
    results = cluster.engine.results
    assert results.fetch(request).status.parameters == parameters
    assert results.fetch(replace(request, known=True)).status.parameters == b""
