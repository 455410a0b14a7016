"""Stores that are not whole, not here, or not of this version, and what is said of them."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from headrace_coordinator.checksums import DamagedError
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.store.refusals import explain_opening
from headrace_coordinator.store.store import Store
from headrace_wire.errors import StoreError
from headrace_wire.version import VERSION
from support.first_store import find_copies

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_damaged_store_is_reported_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = Store(path)
    store.close()
    damaged = path.read_bytes()[:4096] + b"\xff" * 8192
    path.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"damaged|malformed|cannot be opened"):
        Store(path)
    assert path.read_bytes() == damaged


def test_a_store_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store"
    Store(path).close()
    with sqlite3.connect(path) as writer:
        writer.execute("PRAGMA user_version = 99")
    writer.close()
    with pytest.raises(StoreError, match="schema 99"):
        Store(path)
