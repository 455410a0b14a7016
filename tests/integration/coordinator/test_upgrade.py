"""A data folder of version 0.1, brought forward with a copy kept; see tests/data/store_0_1."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
from contextlib import closing
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from headrace.cluster import Cluster
from headrace_coordinator.checksums import DamagedError
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.store import kept_copy, migrations
from headrace_coordinator.store import loading as store_loading
from headrace_coordinator.store.refusals import explain_opening
from headrace_coordinator.store.schema import SCHEMA_VERSION
from headrace_coordinator.store.store import Store
from headrace_wire.address import Address
from headrace_wire.errors import StoreError, TaskFailedError
from headrace_wire.key import load_key
from headrace_wire.version import VERSION
from support.commands import Process, Shell, start_coordinator
from support.places import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

MADE = REPOSITORY / "tests" / "data" / "store_0_1"

FIRST_SCHEMA = 5


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder as the coordinator of version 0.1 left it when it was killed. The machine has
    not been started again since, for the stores of this process.
    """
    looked_at = unpack(tmp_path / "looked at", "store")
    with closing(sqlite3.connect(looked_at / "headrace.db")) as connection:
        (then,) = connection.execute("SELECT boot FROM clock").fetchone()
    boot = tmp_path / "boot"
    boot.write_text(then)
    monkeypatch.setattr(store_loading, "BOOT_FILE", boot)
    return unpack(tmp_path / "data", "store")


def unpack(folder: Path, name: str) -> Path:
    """Make a data folder of version 0.1."""
    with tarfile.open(MADE / f"{name}.tar.xz") as made:
        # Python has filters since 3.11.4, and wants one since 3.12.
        made.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        made.extractall(folder)
    folder.chmod(0o700)
    return folder


def read_schema(store: Path) -> int:
    with closing(sqlite3.connect(store)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def find_copies(data: Path) -> list[Path]:
    return sorted(data.glob("headrace.db-schema-*"))


def test_everything_is_there_after_the_upgrade_and_what_ran_is_finished(
    tmp_path: Path, data: Path
) -> None:
    shell = Shell(tmp_path, {"HEADRACE_KEY_FILE": str(data / "key"), "PYTHONPATH": str(MADE)})
    coordinator = start_coordinator(shell, data, 0, "--no-http")
    port = coordinator.wait_for("queues at").rpartition(":")[2]
    shell.settings["HEADRACE_COORDINATOR"] = f"127.0.0.1:{port}"
    worker = Process(shell, "worker", "--slots", "1", "--allow", "first_tasks")
    try:
        (copy,) = find_copies(data)
        assert coordinator.wait_for(f"is kept in {copy} (")
        with Cluster(Address("127.0.0.1", int(port)), load_key(data / "key")) as cluster:
            jobs = {job.name: job for job in cluster.jobs()}
            assert sorted(jobs) == ["counted", "divided", "measured", "repeated"]
            (dead,) = cluster.job(jobs["divided"].id).failures()
            assert (dead.index, dead.error_type) == (1, "ZeroDivisionError")

        def fetch(name: str) -> tuple[int, list[object]]:
            done = shell.run("results", jobs[name].id)
            return done.code, [json.loads(line)["value"] for line in done.out.splitlines()]

        assert fetch("measured") == (0, [5, 20000, 7, 30000])
        assert fetch("repeated") == (0, ["xxx", "x" * 40000])
        assert fetch("divided") == (1, [3.0, 4.0])
    finally:
        worker.stop()
        coordinator.stop()
    assert stat.S_IMODE((data / "key").stat().st_mode) == 0o600
    assert find_copies(data) == [copy]
    assert read_schema(data / "headrace.db") == SCHEMA_VERSION
    assert read_schema(copy / "headrace.db") == FIRST_SCHEMA


def test_all_that_version_0_1_showed_is_shown_and_what_waited_is_done(tmp_path: Path) -> None:
    """Jobs of each state and service, dead letters, and shared state of each kind."""
    data = unpack(tmp_path / "data", "states")
    shown = json.loads((MADE / "shown.json").read_text())
    shell = Shell(tmp_path, {"HEADRACE_KEY_FILE": str(data / "key"), "PYTHONPATH": str(MADE)})
    coordinator = start_coordinator(shell, data, 0, "--no-http")
    port = int(coordinator.wait_for("queues at").rpartition(":")[2])
    shell.settings["HEADRACE_COORDINATOR"] = f"127.0.0.1:{port}"
    started: list[Process] = [coordinator]
    try:
        with Cluster(Address("127.0.0.1", port), load_key(data / "key")) as cluster:
            jobs = {job.name: job for job in cluster.jobs()}
            assert [
                {field: getattr(jobs[before["name"]], field) for field in before}
                for before in shown["jobs"]
            ] == shown["jobs"]
            assert {
                name: [
                    [dead.index, dead.reason, dead.error_type, dead.message]
                    for dead in cluster.job(job.id).failures()
                ]
                for name, job in jobs.items()
            } == shown["failures"]
            assert (
                sorted([one.name, one.kind, one.items] for one in cluster.shared())
                == shown["shared"]
            )
            assert cluster.value("total").get() == 41
            assert list(cluster.list("names")) == ["a", "b", {"deep": (1, 2.5)}]
            assert dict(cluster.dict("ages")) == {"ada": 36, ("x", 1): [None, True]}
            assert cluster.event("begun").is_set()
            parts = cluster.queue("parts")
            assert [parts.get(timeout=30), parts.get(timeout=30)] == [{"part": 1}, "y" * 20000]
            with cluster.lock("door"):
                pass
            cluster.job(jobs["given-up"].id).retry()
            cluster.job(jobs["divided"].id).replay([1])
            started.append(Process(shell, "worker", "--slots", "1", "--allow", "first_tasks"))
            for name, values in (("waiting", [5, 20000, 7]), ("given-up", [1])):
                assert list(cluster.job(jobs[name].id).results(timeout=60)) == values
            with pytest.raises(TaskFailedError, match=r"1 of 3 tasks .* ZeroDivisionError"):
                list(cluster.job(jobs["divided"].id).results(timeout=60))
        assert shell.run("results", jobs["counted"].id).out == "78498\n"
        primes = shell.run("results", jobs["found"].id).out.split()
        assert (len(primes), primes[-1]) == (33860, "399989")
        assert shell.run("results", jobs["pictures"].id, "-o", "grey").code == 1
        for number, size in enumerate([(40, 30), (40, 30), (100, 90)]):
            with Image.open(tmp_path / "grey" / f"{number}.png") as picture:
                assert picture.size == size
        assert shell.run("results", jobs["later"].id).out == "216816\n"
    finally:
        for process in reversed(started):
            process.stop()


def test_the_copy_is_whole_and_nobody_elses(data: Path) -> None:
    Store(data / "headrace.db").close()
    (copy,) = find_copies(data)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    kept = sorted(path.name for path in copy.iterdir())
    assert kept == ["headrace.db", "headrace.db-payloads"]
    for store in (copy / "headrace.db", data / "headrace.db"):
        with closing(Store(store)) as opened:
            jobs = {job.spec.name: job.spec.id for job, _ in opened.load()}
            assert opened.reader.read_inputs(jobs["measured"], 3, 4)
            assert opened.reader.read_inputs(jobs["measured"], 2, 3)
    Store(data / "headrace.db").close()
    assert find_copies(data) == [copy]


def test_without_room_for_a_copy_the_store_stays_as_it_is(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(data)
    monkeypatch.setattr(kept_copy, "clone", lambda *_: False)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=300_000))
        with pytest.raises(StoreError, match=r"no room for a copy of it: .* needed and .* free"):
            Store(data / "headrace.db")
    assert read_schema(data / "headrace.db") == FIRST_SCHEMA
    assert find_copies(data) == []
    Store(data / "headrace.db").close()
    assert len(find_copies(data)) == 1


def tell_losses(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if " lost; " in line]


def find_jobs(opened: Store) -> dict[str, str]:
    return {job.spec.name: job.spec.id for job, _ in opened.load()}


@pytest.mark.parametrize(
    ("how", "size"), [("is missing", None), ("is empty", 0), ("is damaged or was cut", 30000)]
)
def test_a_payload_file_that_is_not_whole_is_told_with_the_jobs_that_lost_values(
    data: Path, caplog: pytest.LogCaptureFixture, how: str, size: int | None
) -> None:
    payloads = data / "headrace.db-payloads"
    if size is None:
        payloads.unlink()
    else:
        os.truncate(payloads, size)
    with closing(Store(data / "headrace.db")) as store:
        jobs = find_jobs(store)
        (line,) = tell_losses(caplog)
        assert line.startswith(f"{payloads} {how}: 2 large inputs and results (90.1 kB) of jobs ")
        assert jobs["measured"] in line
        assert jobs["repeated"] in line
        assert jobs["divided"] not in line
        assert "stop this coordinator, and put it back together with" in line
        with pytest.raises(DamagedError):
            store.reader.read_results_from(jobs["repeated"], 1, 1 << 20, RangeSet())
        assert store.reader.read_results_after(jobs["divided"], 0, 1 << 20)[0]


@pytest.mark.parametrize("is_migrated", [True, False])
def test_the_payload_file_can_be_put_back(
    data: Path, caplog: pytest.LogCaptureFixture, *, is_migrated: bool
) -> None:
    payloads = data / "headrace.db-payloads"
    if is_migrated:
        Store(data / "headrace.db").close()
    payloads.rename(data / "elsewhere")
    for how in ("is missing", "is empty"):
        with closing(Store(data / "headrace.db")) as store:
            store.load()
        told = tell_losses(caplog)
        assert is_migrated is (how in "".join(told)) or how == "is missing"
        caplog.clear()
    (data / "elsewhere").replace(payloads)
    if not is_migrated:
        (copy,) = find_copies(data)
        (copy / "headrace.db").replace(data / "headrace.db")
    with closing(Store(data / "headrace.db")) as store:
        jobs = find_jobs(store)
        assert tell_losses(caplog) == []
        assert store.reader.read_results_from(jobs["repeated"], 1, 1 << 20, RangeSet())[0]


def test_a_damaged_payload_file_is_told_when_the_store_is_migrated(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    payloads = data / "headrace.db-payloads"
    payloads.write_bytes(bytes(payloads.stat().st_size))
    with closing(Store(data / "headrace.db")) as store:
        jobs = find_jobs(store)
        (line,) = tell_losses(caplog)
        assert f"{payloads} is damaged or was cut: 2 large inputs and results" in line
        with pytest.raises(DamagedError):
            store.reader.read_results_from(jobs["repeated"], 1, 1 << 20, RangeSet())


def test_a_store_that_may_not_be_opened_says_whose_permission_is_missing(tmp_path: Path) -> None:
    denied = sqlite3.OperationalError("attempt to write a readonly database")
    denied.sqlite_errorcode = 8
    for error in (denied, PermissionError(errno.EACCES, "Permission denied")):
        line = explain_opening(tmp_path / "store", error)
        assert line.endswith(f"see that this user may read and write all files in {tmp_path}")


@pytest.mark.parametrize("log", [True, False], ids=["with its log", "without its log"])
def test_an_empty_store_is_not_begun_anew_over_what_was_there(data: Path, *, log: bool) -> None:
    store = data / "headrace.db"
    store.write_bytes(b"")
    if not log:
        (data / "headrace.db-wal").unlink()
    before = {path.name: path.read_bytes() for path in data.glob("headrace.db*")}
    with pytest.raises(StoreError, match=r"is empty, but headrace\.db-\w+ beside it has .* kB"):
        Store(store)
    assert before.items() <= {path.name: path.read_bytes() for path in data.iterdir()}.items()


def test_a_store_without_its_log_is_not_taken_for_a_new_one(data: Path) -> None:
    store = data / "headrace.db"
    for suffix in ("", "-wal", "-shm"):
        (data / f"headrace.db{suffix}").unlink()
    with closing(sqlite3.connect(store)) as emptied:
        emptied.execute("PRAGMA journal_mode = WAL")
    assert store.stat().st_size
    with pytest.raises(StoreError, match="it is not the one that was here"):
        Store(store)


def test_a_store_that_was_removed_is_begun_anew_and_says_so(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for suffix in ("", "-wal", "-shm"):
        (data / f"headrace.db{suffix}").unlink()
    with closing(Store(data / "headrace.db")) as store:
        assert store.load() == []
    assert "a new one is begun" in caplog.text


def test_what_is_no_store_is_refused_with_what_to_do(tmp_path: Path) -> None:
    torn, foreign = tmp_path / "torn", tmp_path / "foreign"
    torn.write_bytes(b"something else " * 1000)
    with pytest.raises(StoreError, match="file is not a database; put a backup"):
        Store(torn)
    with closing(sqlite3.connect(foreign)) as other:
        other.execute("CREATE TABLE jobs (name TEXT)")
    with pytest.raises(StoreError, match="is a database of another program"):
        Store(foreign)


def test_a_copy_that_cannot_be_written_is_told_and_the_store_stays(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(kept_copy, "clone", refuse)
        with pytest.raises(StoreError, match="no copy of it can be made beside it") as caught:
            Store(data / "headrace.db")
    assert "The store is as it was" in str(caught.value)
    assert find_copies(data) == []
    assert read_schema(data / "headrace.db") == FIRST_SCHEMA


#: Opens a store, and kills itself when so many statements were run or a function is reached.
DYING = """
import os, signal, sys
from pathlib import Path
from headrace_coordinator.store import kept_copy, migrations, opening, store
place, path = sys.argv[1:]
module, _, name = place.partition(".")
modules = {"opening": opening, "migrations": migrations, "kept_copy": kept_copy}
setattr(modules[module], name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
store.Store(Path(path))
"""


@pytest.mark.parametrize(
    "place",
    [
        "kept_copy._copy_payloads",
        "opening.migrate",
        "migrations.compute_checksum",
        "migrations.note_maker",
        "opening.finish_copy",
        "kept_copy.format_bytes",
    ],
)
def test_whatever_a_crash_leaves_is_whole(data: Path, place: str) -> None:
    path = data / "headrace.db"
    died = subprocess.run([sys.executable, "-c", DYING, place, path], check=False)
    assert died.returncode == -signal.SIGKILL
    with closing(Store(path)) as store:
        names = {job.spec.name for job, _ in store.load()}
        assert names == {"counted", "divided", "measured", "repeated"}
    (copy,) = find_copies(data)
    assert not copy.name.endswith("unfinished")
    assert read_schema(copy / "headrace.db") == FIRST_SCHEMA


@pytest.mark.parametrize("place", [(kept_copy, "_copy_payloads"), (migrations, "note_maker")])
def test_what_cannot_be_migrated_leaves_no_copy(
    data: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[ModuleType, str]
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(kept_copy, "clone", lambda *_: False)
        patch.setattr(*place, fail)
        with pytest.raises(StoreError, match="disk I/O error"):
            Store(data / "headrace.db")
    assert find_copies(data) == []
    assert read_schema(data / "headrace.db") == FIRST_SCHEMA


def test_a_store_of_a_later_version_is_refused_and_says_which_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "store"
    Store(path).close()
    with closing(sqlite3.connect(path)) as later, later:
        assert later.execute("SELECT version FROM made_by").fetchall() == [(VERSION,)]
        later.execute("UPDATE made_by SET version = '0.4.0'")
        later.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError) as caught:
        Store(path)
    line = str(caught.value)
    assert f"needs headrace 0.4.0 or later: it has schema 99, and this headrace ({VERSION})" in line
    assert "\n" not in line
    with closing(sqlite3.connect(path)) as later, later:
        later.execute("DROP TABLE made_by")
    with pytest.raises(StoreError, match="needs a later headrace: it has schema 99"):
        Store(path)
    with closing(sqlite3.connect(path)) as later, later:
        later.execute("PRAGMA user_version = 3")
    with pytest.raises(StoreError, match=r"written by a headrace before 0\.1 \(schema 3\)"):
        Store(path)
