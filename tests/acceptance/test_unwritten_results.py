"""Results that cannot be written where they should go: they are kept, and the command says so."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.probe.headrace_probe import plan
from support.probe_jobs import submit

if TYPE_CHECKING:
    from headrace.cluster import Cluster
    from support.commands import Shell, Site

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("unwritten_results")

#: Seconds for what a site is asked to do.
LIMIT = 30.0


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
