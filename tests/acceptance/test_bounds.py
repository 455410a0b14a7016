"""What a coordinator keeps and for how long: deadlines, the spool, expiry, a full disk."""

from __future__ import annotations

import contextlib
import threading
import urllib.request
from pathlib import Path

import psutil
import pytest
from PIL import Image

from headrace.cluster import Cluster
from headrace_services.service import Plan
from headrace_wire.address import Address
from headrace_wire.errors import StoreError, UnknownJobError
from headrace_wire.key import load_key
from headrace_wire.messages.jobs import SUCCEEDED
from support.commands import Process, Shell, open_site, start_coordinator, wait_until
from support.probe.headrace_probe import plan

#: Seconds for what happens by itself.
LIMIT = 30.0


def carry(count: int, size: int) -> Plan:
    """A job of the probe service with inputs of this many bytes."""
    parameters = plan(count).parameters
    return Plan("act", parameters, count, (bytes(size) for _ in range(count)))


def test_a_job_ends_at_its_deadline(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        late = site.shell.run("submit", "primes", "count", "0", "1e13", "--deadline", "1s")
        assert late.code == 1
        assert "its deadline of 1 s passed" in late.err
        assert "`headrace retry" in late.err
        with site.open_cluster() as cluster:
            (status,) = cluster.jobs()
        assert "failed: its deadline of 1 s passed" in site.shell.run("job", status.id).out
        quick = site.shell.run("submit", "primes", "count", "0", "1e6", "--deadline", "1m")
        assert (quick.code, quick.out) == (0, "78498\n")


def test_a_full_spool_holds_submit_back_and_loses_nothing(tmp_path: Path) -> None:
    with (
        open_site(tmp_path, "--spool-limit", "3MB", workers=0) as site,
        site.open_cluster() as cluster,
    ):
        held: list[str] = []
        told = threading.Event()

        def note(why: str) -> None:
            held.append(why)
            told.set()

        def submit() -> None:
            job = cluster.submit("probe", carry(20, 1 << 20), on_held=note)
            values.update(job.values(ordered=False))

        values: dict[int, bytes] = {}
        submitter = threading.Thread(target=submit)
        submitter.start()
        assert told.wait(LIMIT)
        assert "spool is full" in held[0]
        site.add_worker("--slots", "2", "--name", "late")
        submitter.join(LIMIT)
        assert not submitter.is_alive()
        assert values == {index: str(index * index).encode() for index in range(20)}


def test_submit_says_in_its_progress_that_the_spool_is_full(tmp_path: Path) -> None:
    with (
        open_site(tmp_path, "--spool-limit", "1B", workers=0) as site,
        site.open_cluster() as cluster,
    ):
        job = cluster.submit("probe", carry(1, 100))
        waiting = Process(site.shell, "submit", "primes", "count", "0", "1000")
        waiting.wait_for("waiting: the coordinator's spool is full")
        job.delete()
        site.add_worker("--slots", "1")
        assert waiting.wait(LIMIT) == 0


def test_results_expire_and_are_counted(tmp_path: Path) -> None:
    with open_site(tmp_path, "--result-ttl", "1s", "--http", "127.0.0.1:0") as site:
        http = site.coordinator.wait_for("metrics at").split()[-1]
        job = site.shell.run("submit", "primes", "find", "0", "100", "--detach").out.strip()
        site.coordinator.wait_for(f"job {job} expires")
        with urllib.request.urlopen(http) as answer:
            lines = answer.read().decode().splitlines()
        assert "headrace_jobs_expired_total 1.0" in lines
        assert "headrace_spool_bytes 0.0" in lines
        gone = site.shell.run("results", job)
        assert gone.code == 2
        assert f"job {job} has expired, and only its summary is left" in gone.err
        (past,) = site.shell.run("jobs", "--past", "--json").json()
        assert (past["id"], past["state"], past["expired"]) == (job, past["state"], True)
        assert site.shell.run("jobs").err == "headrace: there are no jobs\n"
        shown = site.shell.run("job", job[:6])
        assert "expired, as all of it but this summary" in shown.out
        assert site.shell.run("job", job, "--json").json()["failure_groups"] == []
        site.shell.run("delete", job)
        assert "there is no job" in site.shell.run("job", job).err


def test_no_coordinator_starts_on_a_disk_without_room_for_its_key(
    small_disk: Path, tmp_path: Path
) -> None:
    with contextlib.suppress(OSError), (small_disk / "other").open("wb", buffering=0) as other:
        while True:
            other.write(bytes(1 << 20))
    ended = Shell(tmp_path).run("coordinator", "--data", small_disk / "data", "--no-http")
    assert (ended.code, ended.out, ended.err.count("\n")) == (69, "", 1)
    assert "key cannot be made, as its disk is full (No space left on device)" in ended.err


def test_a_run_that_fills_the_disk_says_how_many_pictures_are_written(
    small_disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    Image.effect_noise((1000, 1000), 100).save(tmp_path / "in" / "0.png")
    for number in range(1, 30):
        (tmp_path / "in" / f"{number}.png").hardlink_to(tmp_path / "in" / "0.png")
    ended = Shell(tmp_path).run("run", "images", "sharpen", "in", small_disk / "out")
    assert (ended.code, ended.out) == (1, "")
    written, failed = ended.err.splitlines()
    count = len(list((small_disk / "out").glob("*.png")))
    assert count > 0
    assert written == f"headrace: {count} of 30 pictures written"
    assert failed.endswith(".png was not written: No space left on device")


def test_a_full_disk_refuses_work_serves_what_there_is_and_recovers(
    small_disk: Path, tmp_path: Path
) -> None:
    data = small_disk / "data"
    shell = Shell(tmp_path, {"HEADRACE_KEY_FILE": str(data / "key")})
    coordinator = start_coordinator(shell, data, 0, "--http", "127.0.0.1:0", "--spool-limit", "1GB")
    ready = coordinator.wait_for("metrics at").split()[-1].replace("/metrics", "/readyz")
    port = int(coordinator.wait_for("queues at").rpartition(":")[2])
    shell.settings["HEADRACE_COORDINATOR"] = f"127.0.0.1:{port}"
    worker = Process(shell, "worker", "--slots", "1")
    try:
        job = shell.run("submit", "primes", "find", "0", "1000", "--detach").out.strip()
        assert shell.run("results", job).out.endswith("997\n")
        with open_cluster(small_disk, port) as cluster:
            ballast = fill(small_disk, cluster)
            assert shell.run("health").code == 69
            with pytest.raises(StoreError, match=r"cannot be written .*make room on the disk"):
                cluster.submit("images", Plan("blur", {}, 3, (bytes(1 << 20) for _ in range(3))))
            refused = shell.run("submit", "primes", "count", "0", "100")
            assert refused.code == 69
            assert refused.err.count("\n") == 1
            assert shell.run("results", job).out.endswith("997\n")
            assert shell.run("health").code == 69
            ballast.unlink()
            wait_until(lambda: not cluster.engine.jobs.info().problem)
            assert shell.run("health").code == 0
            with urllib.request.urlopen(ready) as answer:
                assert answer.status == 200
            done = shell.run("submit", "primes", "count", "0", "100")
            assert (done.code, done.out) == (0, "25\n")
            assert cluster.job(job).status.state == SUCCEEDED
    finally:
        worker.stop()
        coordinator.stop()


def open_cluster(folder: Path, port: int) -> Cluster:
    """The coordinator on the small disk."""
    return Cluster(Address("127.0.0.1", port), load_key(folder / "data" / "key"))


def fill(folder: Path, cluster: Cluster) -> Path:
    """Take every byte of a disk that is left, until the coordinator has no more to give back."""
    ballast = folder / "ballast"

    def is_full() -> bool:
        with ballast.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(1 << 12)):
                    pass
            except OSError:
                pass
        return bool(cluster.engine.jobs.info().problem)

    wait_until(is_full)
    return ballast


@pytest.mark.parametrize("limit", [(), ("--spool-limit", "1GB")], ids=["by default", "too large"])
def test_a_store_that_fills_stops_handing_out_work_and_can_be_emptied(
    small_disk: Path, tmp_path: Path, limit: tuple[str, ...]
) -> None:
    """Its own jobs fill it first, somebody else then takes the rest, and it is killed."""
    data = small_disk / "data"
    shell = Shell(tmp_path, {"HEADRACE_KEY_FILE": str(data / "key")})
    coordinator = start_coordinator(shell, data, 0, "--no-http", *limit)
    port = int(coordinator.wait_for("queues at").rpartition(":")[2])
    shell.settings["HEADRACE_COORDINATOR"] = f"127.0.0.1:{port}"
    worker = Process(shell, "worker", "--slots", "2")
    try:
        small = shell.run("submit", "primes", "find", "0", "1000", "--detach").out.strip()
        whole = shell.run("results", small).out
        large = shell.run("submit", "primes", "find", "0", "4e9", "--detach").out.strip()
        waiting = Process(shell, "results", large, "-o", tmp_path / "primes")
        waiting.wait_for("is full")
        assert "is full" in shell.run("health").err
        with open_cluster(small_disk, port) as cluster:
            fill(small_disk, cluster)
        assert shell.run("health").code == 69
        kept = shell.run("job", large).out.splitlines()[3]
        coordinator.kill()
        coordinator = start_coordinator(shell, data, port, "--no-http", *limit)
        coordinator.wait_for("disk is full")
        assert shell.run("job", large).out.splitlines()[3].split(",")[0] == kept.split(",")[0]
        assert shell.run("results", small).out == whole
        refused = shell.run("submit", "primes", "count", "0", "100")
        assert (refused.code, refused.err.count("\n")) == (69, 1)
        cancelled = shell.run("cancel", large)
        assert cancelled.code == 0, cancelled.err
        assert shell.run("delete", large).code == 0
        with open_cluster(small_disk, port) as cluster:
            wait_until(lambda: not cluster.engine.jobs.info().problem)
        assert shell.run("health").code == 0
        assert waiting.wait() in (1, 2)
        done = shell.run("submit", "primes", "count", "0", "100")
        assert (done.code, done.out) == (0, "25\n")
        assert shell.run("results", small).out == whole
    finally:
        assert worker.stop() == 0
        coordinator.stop()


def test_a_damaged_store_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        site.shell.run("submit", "primes", "count", "0", "100", "--detach")
        site.coordinator.stop()
        store = site.data / "headrace.db"
        damaged = store.read_bytes()
        store.write_bytes(damaged[:4096] + b"\xff" * (len(damaged) - 4096))
        before = store.read_bytes()
        failed = site.shell.run("coordinator", "--data", site.data, "--no-http")
        assert failed.code == 69
        assert failed.err.splitlines()[-1].startswith(f"headrace: the store {store}")
        assert store.read_bytes() == before


def test_a_million_inputs_do_not_grow_the_coordinator(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site, site.open_cluster() as cluster:
        process = psutil.Process(site.coordinator.pid)
        job = cluster.submit("probe", carry(1000, 10))
        before = process.memory_info().rss
        million = cluster.submit("probe", carry(1_000_000, 10))
        grown = process.memory_info().rss - before
        assert million.status.tasks == 1_000_000
        assert grown < 64 << 20, f"{grown / 1e6:.0f} MB"
        job.delete()
        million.delete()
        with pytest.raises(UnknownJobError):
            cluster.job(million.id)
