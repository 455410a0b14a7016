"""A disk that changes what it was given: the tasks concerned fail with the reason, nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace_services.service import Plan
from headrace_wire.messages.jobs import FAILED
from support.commands import open_site
from support.probe.headrace_probe import plan

SIZE = 1 << 20


def change_byte(file: Path, place: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(place)
        (byte,) = opened.read(1)
        opened.seek(place)
        opened.write(bytes([byte ^ 1]))


def cut(file: Path, place: int) -> None:
    with file.open("r+b") as opened:
        opened.truncate(place)


@pytest.mark.parametrize("harm", [change_byte, cut], ids=["a changed bit", "a file that was cut"])
def test_a_damaged_input_fails_its_task_and_the_worker_goes_on(
    tmp_path: Path, harm: object
) -> None:
    with open_site(tmp_path, workers=0) as site, site.open_cluster() as cluster:
        inputs = (bytes([index]) * SIZE for index in range(4))
        job = cluster.submit("probe", Plan("act", plan(4).parameters, 4, inputs))
        assert callable(harm)
        harm(site.data / "headrace.db-payloads", 3 * SIZE + SIZE // 2)
        worker = site.add_worker("--slots", "1", "--name", "hardy")
        shown = site.shell.run("results", job.id)
        assert shown.code == 1
        assert len(shown.err) < 3000
        assert dict(job.values(ordered=False)).keys() == {0, 1, 2}
        status = cluster.job(job.id).status
        assert (status.state, status.done, status.failed) == (FAILED, 3, 1)
        dead = site.shell.run("dead", "list", job.id)
        assert "its input in the coordinator's store" in dead.out
        done = site.shell.run("submit", "primes", "count", "0", "100")
        assert (done.code, done.out) == (0, "25\n")
        assert worker.stop() == 0
        assert all(len(line) < 1000 for line in (*worker.lines, *site.coordinator.lines))


def test_a_damaged_result_is_told_to_who_fetches_and_can_be_made_again(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        job = site.shell.run(
            "submit", "primes", "find", "0", "4e6", "--span", "1e6", "--detach"
        ).out.strip()
        whole = site.shell.run("results", job)
        assert whole.code == 0
        change_byte(site.data / "headrace.db-payloads", 5000)
        told = site.shell.run("results", job)
        assert told.code == 1
        assert "its value in the coordinator's store is damaged" in told.err
        assert site.shell.run("dead", "replay", job).code == 0
        again = site.shell.run("results", job)
        assert (again.code, again.out) == (0, whole.out)
